"""Padding beyond UV islands: without it, filtering draws what lies between them into their seams."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from underpaint.engine.pixels.color import Floats
from underpaint.engine.pixels.cv import distances, nearest_outside

_Mask = npt.NDArray[np.bool_]
_Indices = npt.NDArray[np.intp]
_AROUND = tuple(step for step in itertools.product((-1, 0, 1), repeat=2) if step != (0, 0))


@dataclass(frozen=True, slots=True)
class Beyond:
    """Pixels around islands, and for each of them the nearest one inside: rows and columns."""

    rows: _Indices
    columns: _Indices
    from_rows: _Indices
    from_columns: _Indices


def beyond(
    inside: _Mask, counted: _Mask, padding: int, *, wrap_x: bool = False, wrap_y: bool = False
) -> Beyond:
    """What lies around islands, within `padding` pixels of them, and next to a pixel that is `counted`.

    `inside` and `counted` are `(height, width)`, True in an island. Nearest is meant as Euclid would; of
    several equally near, any. With `wrap_x` the left and right edge are neighbours, with `wrap_y` top and
    bottom.
    """
    nothing = np.zeros(0, np.intp)
    if padding <= 0 or not inside.any():
        return Beyond(nothing, nothing, nothing, nothing)
    height, width = inside.shape
    above, left = padding * wrap_y, padding * wrap_x
    around = np.pad(inside, ((above, above), (left, left)), mode="wrap")
    band = ~around & (distances(~around) <= padding)
    rows, columns = np.nonzero(band[above : above + height, left : left + width])
    found_rows, found_columns = np.divmod(_nearest(around, band), around.shape[1])
    there = (rows + above, columns + left)
    from_rows = (found_rows[there] - above) % height
    from_columns = (found_columns[there] - left) % width
    wanted = counted[from_rows, from_columns]
    return Beyond(rows[wanted], columns[wanted], from_rows[wanted], from_columns[wanted])


def pad_islands(
    picture: Floats, inside: _Mask, padding: int, *, wrap_x: bool = False, wrap_y: bool = False
) -> Floats:
    """A copy of a picture `(height, width, channels)` whose islands go on for `padding` pixels.

    `inside` is `(height, width)`, True in an island. A pixel outside takes the colour of the nearest one
    inside (Euclidean; of several equally near, any). What is inside, or farther away, stays bit by bit.
    With `wrap_x` the left and right edge are neighbours, with `wrap_y` top and bottom.
    """
    padded = picture.copy()
    ring = beyond(inside, inside, padding, wrap_x=wrap_x, wrap_y=wrap_y)
    padded[ring.rows, ring.columns] = picture[ring.from_rows, ring.from_columns]
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
