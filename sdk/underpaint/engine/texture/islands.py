"""Padding beyond UV islands: without it, filtering draws what lies between them into their seams."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

from underpaint.engine.pixels.color import Floats
from underpaint.engine.pixels.cv import distances, nearest_outside

_Mask = npt.NDArray[np.bool_]
_Indices = npt.NDArray[np.intp]
_AROUND = tuple(step for step in itertools.product((-1, 0, 1), repeat=2) if step != (0, 0))


def pad_islands(
    picture: Floats, inside: _Mask, padding: int, *, wrap_x: bool = False, wrap_y: bool = False
) -> Floats:
    """A copy of a picture `(height, width, channels)` whose islands go on for `padding` pixels.

    `inside` is `(height, width)`, True in an island. A pixel outside takes the colour of the nearest one
    inside (Euclidean; of several equally near, any). What is inside, or farther away, stays bit by bit.
    With `wrap_x` the left and right edge are neighbours, with `wrap_y` top and bottom.
    """
    padded = picture.copy()
    if padding <= 0 or not inside.any():
        return padded
    height, width = inside.shape
    above, left = padding * wrap_y, padding * wrap_x
    around = np.pad(inside, ((above, above), (left, left)), mode="wrap")
    band = ~around & (distances(~around) <= padding)
    rows, columns = np.nonzero(band[above : above + height, left : left + width])
    found_rows, found_columns = np.divmod(_nearest(around, band), around.shape[1])
    there = (rows + above, columns + left)
    padded[rows, columns] = picture[
        (found_rows[there] - above) % height, (found_columns[there] - left) % width
    ]
    return padded


def _nearest(inside: _Mask, band: _Mask) -> _Indices:
    """For the pixels of `band` the flat index of the nearest pixel inside, `(height, width)`.

    OpenCV's answer is that of a chamfer distance, off by a few per cent; neighbours then hand on what they
    found until nobody gets nearer.
    """
    nearest = nearest_outside(~inside)
    height, width = inside.shape
    rows, columns = np.nonzero(band)
    best = nearest[rows, columns]
    squared = _squared(best, rows, columns, width)
    while True:
        moved = False
        for down, right in _AROUND:
            beside = np.clip(rows + down, 0, height - 1), np.clip(columns + right, 0, width - 1)
            offered = nearest[beside]
            reach = _squared(offered, rows, columns, width)
            nearer = reach < squared
            if nearer.any():
                moved = True
                best[nearer], squared[nearer] = offered[nearer], reach[nearer]
        if not moved:
            return nearest
        nearest[rows, columns] = best


def _squared(index: _Indices, rows: _Indices, columns: _Indices, width: int) -> _Indices:
    found_rows, found_columns = np.divmod(index, width)
    return (found_rows - rows) ** 2 + (found_columns - columns) ** 2
