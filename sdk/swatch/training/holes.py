"""Holes as people make them: boxes, ellipses, brush strokes, and now and then everything."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .materials import SIZE


def hole(rng: np.random.Generator) -> NDArray[np.bool_]:
    """A mask ``[256, 256]``, True where to repaint; it wraps at the edges."""
    axis = np.arange(SIZE, dtype=np.float32)
    cx, cy = rng.uniform(0, SIZE, 2)
    dx = (axis - cx + SIZE / 2) % SIZE - SIZE / 2
    dy = (axis - cy + SIZE / 2) % SIZE - SIZE / 2
    rx, ry = rng.uniform(0.13, 0.36, 2) * SIZE
    kind = rng.random()
    if kind < 0.5:
        mask = (np.abs(dx)[None, :] < rx) & (np.abs(dy)[:, None] < ry)
    elif kind < 0.75:
        mask = ((dx / rx)[None, :] ** 2 + (dy / ry)[:, None] ** 2) < 1
    else:
        mask = np.zeros((SIZE, SIZE), bool)
        heading, width = rng.uniform(0, 2 * np.pi), rng.uniform(14, 34)
        for _ in range(int(rng.integers(14, 34))):
            heading += rng.normal(0, 0.35)
            cx, cy = cx + 9 * np.cos(heading), cy + 9 * np.sin(heading)
            ex = (axis - cx + SIZE / 2) % SIZE - SIZE / 2
            ey = (axis - cy + SIZE / 2) % SIZE - SIZE / 2
            mask |= (ex[None, :] ** 2 + ey[:, None] ** 2) < width**2
    return np.asarray(mask, np.bool_)
