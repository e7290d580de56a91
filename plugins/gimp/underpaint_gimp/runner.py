# SPDX-License-Identifier: GPL-3.0-or-later
"""One verb from start to end: turns GLib's main loop until its task is final."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from gi.repository import Gimp, GLib

from underpaint.host import Notice, Session, Task
from underpaint.types import JobUpdate

from .adapter import GimpAdapter
from .guard import Guard
from .progress import ProgressBar

if TYPE_CHECKING:
    from .preview import PreviewWindow

_log = logging.getLogger(__name__)


class Runner:
    """Shows progress, passes notices on, and waits without freezing anything.

    With `guarded`, the job is cancelled when the user cancels GIMP's progress (see `guard`).
    """

    def __init__(self, adapter: GimpAdapter, session: Session, *, guarded: bool = True) -> None:
        self._session, self._adapter = session, adapter
        self._loop = GLib.MainLoop()
        self._guard = Guard() if guarded else None
        self._bar: ProgressBar | None = None
        self._window: PreviewWindow | None = None
        self.problems: list[str] = []
        """What went wrong, in whole sentences, oldest first."""
        self.notes: tuple[str, ...] = ()
        """What the daemon has to say about the last picture: sizes adjusted, unknown words."""
        adapter.on_progress = self._on_progress
        adapter.on_notice = self._on_notice

    def run(
        self, title: str, start: Callable[[Callable[[Task], None]], Task], *, preview: bool = False
    ) -> Task:
        """Starts a verb with `start(on_done)` and returns its final task; `preview` opens a window."""
        task: list[Task] = []
        if preview:
            # Its libraries are there where a dialog was; a script may run without any screen.
            from .preview import PreviewWindow

            self._window = PreviewWindow(f"{title}: preview", lambda: task[0].cancel())
            self._adapter.on_preview = self._window.show_preview
        else:
            self._adapter.without_previews()
        self.wait(title, lambda: task.append(start(lambda done: self.stop())))
        return task[0]

    def wait(self, title: str, begin: Callable[[], None]) -> None:
        """Calls `begin` and turns the main loop until `stop` is called."""
        self._bar = ProgressBar(title)
        self._bar.say("Looking for the underpaint daemon")
        try:
            begin()
            self._loop.run()
        finally:
            self._bar.end()
            if self._window is not None:
                self._window.close()
            if self._guard is not None:
                self._guard.release()
            meter = self._session.meter
            _log.debug("longest hold: %.1f ms (%s)", meter.longest_ms, meter.longest_what)

    def stop(self) -> None:
        """Ends `wait`; called on the main thread."""
        self._loop.quit()

    def _on_progress(self, update: JobUpdate) -> None:
        self.notes = update.notes
        if self._guard is not None and not update.state.is_final:
            self._guard.watch(update.name)
        if self._bar is not None:
            self._bar.show(update)
        if self._window is not None:
            self._window.show_progress(update)

    def _on_notice(self, notice: Notice) -> None:
        if notice.problem:
            self.problems.append(notice.text)
        elif notice.text not in self.notes:
            if self._bar is not None:
                self._bar.say(notice.text)
            Gimp.message(notice.text)
