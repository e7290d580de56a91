"""Drives Krita: a plug-in of its own whose timer runs the tests' scripts on the main thread."""

from __future__ import annotations

from krita import Extension, Krita, Window

from tests.hosts.drivers.hostscript import Driver

try:
    from PyQt6.QtCore import QTimer
except ImportError:
    from PyQt5.QtCore import QTimer


class TestDriver(Extension):
    """The extension; Krita makes one and calls ``setup`` once its resources are loaded."""

    def setup(self) -> None:
        """Begin with the first turn of the event loop, when every plug-in has been set up."""
        QTimer.singleShot(0, self._start)

    def createActions(self, window: Window) -> None:  # noqa: N802 - Krita's name
        """No actions."""

    def _start(self) -> None:
        if Krita.instance().activeWindow() is None:  # its window comes a little later
            QTimer.singleShot(20, self._start)
            return
        self._driver = Driver()
        self._timer = QTimer()
        self._timer.timeout.connect(self._step)
        self._timer.start(10)

    def _step(self) -> None:
        self._timer.stop()  # a script with a nested event loop must not be entered twice
        if self._driver.step():
            self._timer.start(10)
        else:
            self._quit()

    def _quit(self) -> None:
        for document in Krita.instance().documents():
            document.setSelection(None)  # closing with something selected crashed Krita 5.2 now and then
            document.waitForDone()
            document.setModified(False)  # or Krita asks whether to save
            document.close()
        if quit_action := Krita.instance().action("file_quit"):
            quit_action.trigger()


def add() -> None:
    """Register the driver with Krita."""
    Krita.instance().addExtension(TestDriver(Krita.instance()))
