# SPDX-License-Identifier: GPL-3.0-or-later
"""The Qt binding that this Krita runs with: PyQt5 in 5.x, PyQt6 in 6.x.

Only scoped enums (`Qt.AlignmentFlag.AlignTop`) are used in this package: both bindings have them.
"""

from __future__ import annotations

import importlib
from typing import Any

from krita import Krita


def _binding() -> str:
    # Not "which one can be imported": both may be installed, and loading the wrong one crashes Krita.
    for kind in Krita.__mro__:
        package = str(kind.__module__).partition(".")[0]
        if package in ("PyQt5", "PyQt6"):
            return package
    raise ImportError("This Krita's Python module is built on neither PyQt5 nor PyQt6: update underpaint.")


BINDING = _binding()
QtCore: Any = importlib.import_module(f"{BINDING}.QtCore")
QtGui: Any = importlib.import_module(f"{BINDING}.QtGui")
QtWidgets: Any = importlib.import_module(f"{BINDING}.QtWidgets")
Qt: Any = QtCore.Qt
