# SPDX-License-Identifier: GPL-3.0-or-later
"""Triangles in a texture's coordinates as the texels that they cover. numpy alone, any thread."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MOST = 1 << 19
"""Texels that are looked at in one go, or up to four times as many: 80 MB of numbers at most."""
_SLACK = 1e-9
"""Of the square of the coordinates: a texel whose centre lies on an edge is in, however that is rounded."""


def covered(
    triangles: NDArray[np.float64], width: int, height: int, x: int, y: int, columns: int, rows: int
) -> NDArray[np.bool_]:
    """Which texels of a window have their centre in a triangle: `(rows, columns)`, the bottom row first.

    `triangles` is `(count, 3, 2)`, u and v; 0.0 to 1.0 is the whole texture of `width` by `height` texels,
    and what lies beyond comes in at the other side. The window's bottom left texel is `x`, `y`.
    """
    mask = np.zeros((rows, columns), np.bool_)
    corners = triangles * (width, height)
    # Each triangle goes where its lowest corner lies inside the texture, and once more across each edge.
    home = np.floor(triangles.min(axis=1)) * (width, height)
    corners = corners - home[:, None]
    far = np.ceil(corners.max(axis=1) / (width, height)).astype(int)
    band = max(1, MOST // columns)
    for right in range(int(far[:, 0].max(initial=1))):
        for up in range(int(far[:, 1].max(initial=1))):
            here = corners - (right * width + x, up * height + y)
            here = here[(far[:, 0] > right) & (far[:, 1] > up)]
            for bottom in range(0, rows, band):
                _draw(here - (0, bottom), mask[bottom : bottom + band])
    return mask


def _draw(corners: NDArray[np.float64], mask: NDArray[np.bool_]) -> None:
    """Marks the texels of triangles in the window's own coordinates; those of a size in one go."""
    rows, columns = mask.shape
    # Centres lie at halves: the first texel whose centre is not left of, or below, the triangle.
    first = np.clip(np.ceil(corners.min(axis=1) - 0.5 - 1e-6), 0, (columns, rows)).astype(int)
    last = np.clip(np.floor(corners.max(axis=1) - 0.5 + 1e-6) + 1, 0, (columns, rows)).astype(int)
    extent = last - first
    there = (extent > 0).all(axis=1)
    corners, first, extent = corners[there], first[there], extent[there]
    size = 2 ** np.ceil(np.log2(np.maximum(extent, 1))).astype(int)
    for wide, high in np.unique(size, axis=0):
        chosen = np.flatnonzero((size == (wide, high)).all(axis=1))
        step = max(1, MOST // (wide * high))
        for begin in range(0, len(chosen), step):
            part = chosen[begin : begin + step]
            _mark(corners[part], first[part], int(wide), int(high), mask)


def _mark(
    corners: NDArray[np.float64], first: NDArray[np.int_], wide: int, high: int, mask: NDArray[np.bool_]
) -> None:
    across = first[:, :1] + np.arange(wide)
    down = first[:, 1:] + np.arange(high)
    one, two, three = (corners[:, corner, :, None, None] for corner in range(3))
    px, py = across[:, None, :] + 0.5, down[:, :, None] + 0.5
    sides = [
        (b[:, 0] - a[:, 0]) * (py - a[:, 1]) - (b[:, 1] - a[:, 1]) * (px - a[:, 0])
        for a, b in ((one, two), (two, three), (three, one))
    ]
    slack = _SLACK * max(1.0, float(np.abs(corners).max())) ** 2
    inside = np.ones(sides[0].shape, np.bool_)
    outside = np.ones(sides[0].shape, np.bool_)
    for side in sides:
        inside &= side >= -slack
        outside &= side <= slack
    # Faces may be wound either way; a triangle without area covers nothing that matters.
    hit = inside | outside
    hit &= (across < mask.shape[1])[:, None, :] & (down < mask.shape[0])[:, :, None]
    index, row, column = np.nonzero(hit)
    mask[down[index, row], across[index, column]] = True
