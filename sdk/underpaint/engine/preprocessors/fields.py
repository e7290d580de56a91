"""Scalar fields over a picture, softened, sloped and looked around in, with edges that may meet.

Fields are float32 `(height, width)`, top row first. Along a tiled axis every function looks across the edge,
so that rolling its input rolls its output. Along any other axis a field is mirrored at its edge, and goes on
as steeply as it arrived where slopes are taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np

from underpaint.engine.pixels.color import Floats
from underpaint.types import Tiling

_cv: Any = cv2
_LINES = 512
"""Rows or columns that are softened at a time: memory stays flat however large the picture is."""
_SCHARR = 32.0
"""The sum of Scharr's weights for a slope of one a pixel."""


def soften(field: Floats, sigma: float, tiling: Tiling) -> Floats:
    """A Gaussian blur of `sigma` pixels, in the frequency domain: any width costs the same."""
    if sigma <= 0.0:
        return field
    soft = _soften_rows(field, sigma, tiling.x)
    return np.ascontiguousarray(_soften_rows(np.ascontiguousarray(soft.T), sigma, tiling.y).T)


def slopes(field: Floats, tiling: Tiling) -> tuple[Floats, Floats]:
    """How fast a field rises to the right and downwards, per pixel (Scharr's weights)."""
    wide = _widened(field, 1, tiling.x, axis=1)
    wide = _widened(wide, 1, tiling.y, axis=0)
    across, down = (
        _cv.Scharr(wide, -1, *order)[1:-1, 1:-1] / np.float32(_SCHARR) for order in ((1, 0), (0, 1))
    )
    return across, down


def normals(height: Floats, tiling: Tiling) -> Floats:
    """Unit vectors `(height, width, 3)` that stand on a height in pixels: x right, y up, z at the viewer."""
    across, down = slopes(height, tiling)
    found = np.stack([-across, down, np.ones_like(across)], axis=2)
    found /= np.linalg.norm(found, axis=2, keepdims=True)
    return np.asarray(found, np.float32)


def sky(
    height: Floats, radius: int, tiling: Tiling, check: Callable[[], None], directions: int = 16
) -> Floats:
    """The share of an overcast sky that each point of a height in pixels sees: 1.0 for a plain.

    In each direction the horizon rises to an angle h within `radius` pixels; a slice of the sky above it,
    weighted by the cosine of its zenith angle, holds cos² h (Max, "Horizon mapping", 1988).
    """
    rows, columns = height.shape
    reach = max(1, radius)
    wide = _edge_padded(_edge_padded(height, reach, tiling.x, axis=1), reach, tiling.y, axis=0)
    seen = np.zeros_like(height)
    for angle in np.arange(directions) * (2.0 * np.pi / directions):
        check()
        steepest = np.zeros_like(height)
        for x, y in _walk(float(angle), reach):
            there = wide[reach + y : reach + y + rows, reach + x : reach + x + columns]
            np.maximum(steepest, (there - height) / np.float32(np.hypot(x, y)), out=steepest)
        seen += 1.0 / (1.0 + steepest**2)  # cos² of the angle whose tangent that is
    return np.asarray(seen / np.float32(directions), np.float32)


def _walk(angle: float, reach: int) -> Iterator[tuple[int, int]]:
    """Whole pixels in one direction, each once, closer together near the start."""
    distance, last = 1.0, (0, 0)
    while distance <= reach:
        place = (round(np.cos(angle) * distance), round(np.sin(angle) * distance))
        if place != last:
            yield place
            last = place
        distance = max(distance + 1.0, distance * 1.25)


def _soften_rows(field: Floats, sigma: float, wrap: bool) -> Floats:
    width = field.shape[1]
    length = width if wrap else 2 * width
    # The transform of a Gaussian is a Gaussian.
    kept = np.exp(-2.0 * (np.pi * sigma * np.fft.rfftfreq(length)) ** 2).astype(np.float32)
    soft = np.empty_like(field)
    for top in range(0, field.shape[0], _LINES):
        lines = field[top : top + _LINES]
        whole = lines if wrap else np.concatenate([lines, lines[:, ::-1]], axis=1)
        soft[top : top + _LINES] = np.fft.irfft(np.fft.rfft(whole) * kept, length)[:, :width]
    return soft


def _widened(field: Floats, by: int, wrap: bool, axis: int) -> Floats:
    edges = [(0, 0), (0, 0)]
    edges[axis] = (by, by)
    if wrap:
        return np.pad(field, edges, mode="wrap")
    return np.pad(field, edges, mode="reflect", reflect_type="odd")


def _edge_padded(field: Floats, by: int, wrap: bool, axis: int) -> Floats:
    edges = [(0, 0), (0, 0)]
    edges[axis] = (by, by)
    return np.pad(field, edges, mode="wrap" if wrap else "edge")
