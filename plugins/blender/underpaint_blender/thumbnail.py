# SPDX-License-Identifier: GPL-3.0-or-later
"""The rough picture of a running job, as an icon that the panel draws."""

from __future__ import annotations

from typing import Any

import bpy
import bpy.utils.previews
import numpy as np

from underpaint.types import Preview

_NAME = "running"
_kept: dict[str, Any] = {}


def show(preview: Preview) -> None:
    """Makes it the icon; on the main thread, outside of drawing."""
    if "icons" not in _kept:
        return  # without a window there is nobody to look
    icons = _kept["icons"]
    icon = icons.get(_NAME) or icons.new(_NAME)
    # Icons are RGBA with the bottom row first, each pixel's bytes as one whole number.
    rgba = np.full((preview.height, preview.width, 4), 255, np.uint8)
    rgba[..., :3] = np.frombuffer(preview.rgb, np.uint8).reshape(preview.height, preview.width, 3)
    icon.image_size = preview.width, preview.height
    icon.image_pixels.foreach_set(np.ascontiguousarray(rgba[::-1]).view(np.int32).ravel())
    _kept["shown"] = icon.icon_id


def clear() -> None:
    """Nothing is painted any more."""
    _kept.pop("shown", None)


def icon_id() -> int:
    """For `UILayout.template_icon`; 0 while there is nothing to see."""
    return int(_kept.get("shown", 0))


def register() -> None:
    """Makes room for it."""
    if not bpy.app.background:
        _kept["icons"] = bpy.utils.previews.new()


def unregister() -> None:
    """Lets it go."""
    clear()
    if "icons" in _kept:
        bpy.utils.previews.remove(_kept.pop("icons"))
