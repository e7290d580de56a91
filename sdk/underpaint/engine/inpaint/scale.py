"""Pictures and masks at the model's size and back."""

from __future__ import annotations

import math

import cv2
import numpy as np

from underpaint.engine.pixels.color import Floats
from underpaint.engine.pixels.cv import resized
from underpaint.geometry import Size
from underpaint.types import Tiling

_REACH = 8
"""How far a filter looks, in pixels of its source."""


def resize(picture: Floats, size: Size, tiling: Tiling = Tiling.NONE) -> Floats:
    """A picture `(height, width[, channels])` at another size, in 0.0 … 1.0.

    Averages areas where it gets smaller, Lanczos where it gets larger, each axis for itself. Along a tiled
    axis the filters look across the edge, so that a seamless picture stays seamless.
    """
    height, width = picture.shape[:2]
    if (width, height) == size:
        return picture
    picture = _axis(picture, size.width, axis=1, wrap=tiling.x)
    picture = _axis(picture, size.height, axis=0, wrap=tiling.y)
    return np.clip(picture, 0.0, 1.0)


def _axis(picture: Floats, length: int, axis: int, wrap: bool) -> Floats:
    now = picture.shape[axis]
    if now == length:
        return picture
    before = 0
    wanted = length
    if wrap:
        # A border whose scaled width is a whole number, so that cutting it off again loses nothing.
        unit = now // math.gcd(now, length)
        border = min(now, -(-_REACH // unit) * unit)
        edges = [(0, 0)] * picture.ndim
        edges[axis] = (border, border)
        picture = np.pad(picture, edges, mode="wrap")
        before = border * length // now
        wanted = length + 2 * before
    width, height = (wanted, picture.shape[0]) if axis == 1 else (picture.shape[1], wanted)
    scaled = resized(picture, width, height, cv2.INTER_AREA if length < now else cv2.INTER_LANCZOS4)
    kept = slice(before, before + length)
    return scaled[:, kept] if axis == 1 else scaled[kept]
