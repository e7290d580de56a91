"""Drives Blender: from a timer where it has a window, in a loop where it has none."""

from __future__ import annotations

import bpy

from tests.hosts.drivers.hostscript import Driver


def _quit() -> None:
    bpy.context.preferences.use_preferences_save = False
    bpy.ops.wm.quit_blender()


class TimerDriver:
    """Steps the scripts from Blender's own event loop."""

    def __init__(self) -> None:
        bpy.context.preferences.view.show_splash = False
        self._driver: Driver | None = None
        bpy.app.timers.register(self.step, persistent=True)

    def step(self) -> float | None:
        """Do one step; Blender calls again after the seconds returned."""
        self._driver = self._driver or Driver()
        if self._driver.step():
            return 0.01
        _quit()
        return None


if bpy.app.background:
    Driver().loop(lambda: None)
else:
    TimerDriver()
