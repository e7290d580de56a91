# SPDX-License-Identifier: GPL-3.0-or-later
"""Functions on their way to Krita's main thread."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from .qt import Qt, QtCore, QtWidgets

PATIENCE_S = 10.0
"""How long a painter's stroke may hold our work back."""
_LOOK_AGAIN_MS = 40


class MainThread(QtCore.QObject):  # type: ignore[misc]  # Qt's classes have no types here
    """Runs functions on the main thread, in order, between two strokes. Make it on the main thread."""

    _arrived = QtCore.pyqtSignal()

    def __init__(self, parent: object = None) -> None:
        super().__init__(parent)
        self._waiting: deque[Callable[[], None]] = deque()
        self._held_since: float | None = None
        # Queued: a signal from another thread is delivered by this object's event loop.
        self._arrived.connect(self._run, Qt.ConnectionType.QueuedConnection)

    def post(self, function: Callable[[], None]) -> None:
        """Runs `function` soon; called from any thread, returns at once."""
        self._waiting.append(function)
        self._arrived.emit()

    def _run(self) -> None:
        if not self._waiting:
            return
        # A layer that is added in the middle of a stroke ends the stroke.
        if QtWidgets.QApplication.mouseButtons() != Qt.MouseButton.NoButton and self._may_hold():
            QtCore.QTimer.singleShot(_LOOK_AGAIN_MS, self._run)
            return
        self._held_since = None
        # One a turn, so that Krita can draw between two of them; each emit brings its own turn.
        self._waiting.popleft()()
        if self._waiting:
            self._arrived.emit()

    def _may_hold(self) -> bool:
        now = time.monotonic()
        if self._held_since is None:
            self._held_since = now
        return now - self._held_since < PATIENCE_S
