"""Any window of a picture at another size, without making the rest of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from underpaint.engine.pixels.color import Floats
from underpaint.engine.pixels.pixelfile import PixelFile, window
from underpaint.geometry import Size, Span
from underpaint.types import Tiling

_LOBES = 3
_FULL = 65535.0
"""White in pictures of 16 bits."""


def region(picture: npt.NDArray[Any] | PixelFile, size: Size, x: Span, y: Span, tiling: Tiling) -> Floats:
    """The window `x`, `y` of `picture` scaled to `size`, `(rows, columns, channels)` in 0.0 … 1.0.

    `picture`: `(height, width, channels)`, float32 or 16 bits. Windows fit together exactly: each pixel is
    what it would be in the whole. Lanczos of three lobes; where it gets smaller, widened so that nothing
    aliases. Along tiled axes the window may hang over the edge, and the filter looks across it.
    """
    height, width = picture.shape[:2]
    rows, down = _taps(y, height, size.height, tiling.y)
    columns, across = _taps(x, width, size.width, tiling.x)
    seen = as_floats(window(picture, rows, columns))
    lines = (down @ seen.reshape(len(rows), -1)).reshape(y.length, len(columns), -1)
    return np.asarray(np.clip(np.matmul(across, lines), 0.0, 1.0), np.float32)


def as_floats(picture: npt.NDArray[Any]) -> Floats:
    """0.0 … 1.0 for pictures of 16 bits; floats as they are."""
    values = np.asarray(picture, np.float32)
    return np.asarray(values / np.float32(_FULL) if picture.dtype == np.uint16 else values, np.float32)


def as_words(picture: Floats) -> npt.NDArray[np.uint16]:
    """The inverse of `as_floats`, rounded and clipped."""
    return np.asarray(np.rint(np.clip(picture, 0.0, 1.0) * np.float32(_FULL)), np.uint16)


def _taps(span: Span, before: int, after: int, wrap: bool) -> tuple[npt.NDArray[np.intp], Floats]:
    """Which pixels of the source count, and the matrix from those to the span's."""
    scale = before / after
    stretch = max(1.0, scale)
    centre = (np.arange(span.start, span.stop) + 0.5) * scale - 0.5
    first = np.floor(centre - _LOBES * stretch).astype(np.intp) + 1
    index = first[:, None] + np.arange(int(np.ceil(2 * _LOBES * stretch)))
    distance = (index - centre[:, None]) / stretch
    weight = np.where(np.abs(distance) < _LOBES, np.sinc(distance) * np.sinc(distance / _LOBES), 0.0)
    weight /= weight.sum(axis=1, keepdims=True)
    index = index % before if wrap else np.clip(index, 0, before - 1)
    used = np.unique(index)
    matrix = np.zeros((span.length, len(used)))
    np.add.at(matrix, (np.arange(span.length)[:, None], np.searchsorted(used, index)), weight)
    return used, matrix.astype(np.float32)
