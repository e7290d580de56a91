# SPDX-License-Identifier: GPL-3.0-or-later
"""An image with more around it: a new datablock, since textures of another size would move on every mesh."""

from __future__ import annotations

import bpy
import numpy as np

from underpaint.types import Bounds, Image

from . import pixels


def expanded(old: bpy.types.Image, around: Image) -> bpy.types.Image:
    """`old` with `around` laid over it, as large as both.

    `around` lies in pixels of `old`, counted from its upper left corner; its format is one of ours.
    """
    width, height = old.size
    place = around.bounds
    left, top = min(0, place.x), min(0, place.y)
    right, bottom = max(width, place.right), max(height, place.bottom)
    whole = np.zeros((bottom - top, right - left, 4), np.float32)

    def window(bounds: Bounds) -> pixels.Pixels:
        moved = Bounds(bounds.x - left, bounds.y - top, bounds.width, bounds.height)
        return whole[pixels.rows(len(whole), moved), moved.x : moved.right]

    window(Bounds(0, 0, width, height))[...] = pixels.four_channels(pixels.read(old))
    below = window(place)
    below[...] = pixels.laid_over(below, pixels.array(around), around.format)
    return pixels.new_image(f"{old.name} expanded", whole, is_float=old.is_float, like=old)
