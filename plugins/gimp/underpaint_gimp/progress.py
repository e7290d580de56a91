# SPDX-License-Identifier: GPL-3.0-or-later
"""GIMP's progress bar."""

from __future__ import annotations

import logging

from gi.repository import Gimp

from underpaint.host import describe
from underpaint.types import JobUpdate

_log = logging.getLogger(__name__)


class ProgressBar:
    """The bar of the display that the plug-in was called from; silent where there is none."""

    def __init__(self, title: str) -> None:
        Gimp.progress_init(f"underpaint: {title}")
        self._text = ""

    def show(self, update: JobUpdate) -> None:
        """Shows how far a job is."""
        self.say(describe(update))
        Gimp.progress_update(update.progress.fraction)

    def say(self, text: str) -> None:
        """Shows a text in the bar."""
        if text != self._text:
            self._text = text
            _log.debug("progress: %s", text)
            Gimp.progress_set_text(text)

    def end(self) -> None:
        """Takes the bar away."""
        Gimp.progress_end()
