"""Where a pass's pixels go: into files, in the form in which they are wanted next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from underpaint.engine.pixels import encode
from underpaint.engine.pixels.color import Floats
from underpaint.engine.pixels.pixelfile import PixelFile
from underpaint.engine.upscale.lanczos import as_words, region
from underpaint.geometry import Size, Span
from underpaint.types import PixelFormat, RowOrder, Tiling


class Stored:
    """A picture between two passes, 16 bits a channel."""

    def __init__(self, path: Path, size: Size) -> None:
        self.picture = PixelFile(path, (size.height, size.width, 3), np.uint16)

    def keep(self, row: int, column: int, pixels: Floats) -> None:
        """See `Keep`."""
        self.picture.write(row, column, as_words(pixels))


class Encoded:
    """The result in its own layout; `alpha` is the source's, `(height, width, 1)`, scaled as it goes."""

    def __init__(self, path: Path, size: Size, format: PixelFormat, alpha: Floats, tiling: Tiling) -> None:
        self._size, self._format, self._tiling = size, format, tiling
        self._alpha = alpha if format.channels.has_alpha and bool((alpha < 1.0).any()) else None
        dtype = encode(np.zeros((1, 1, 4), np.float32), format).dtype
        self.picture = PixelFile(path, (size.height, size.width, format.channels.count), dtype)

    def keep(self, row: int, column: int, pixels: Floats) -> None:
        """See `Keep`."""
        height, width = pixels.shape[:2]
        alpha: Any = np.ones((height, width, 1), np.float32)
        if self._alpha is not None:
            columns, rows = Span(column, column + width), Span(row, row + height)
            alpha = region(self._alpha, self._size, columns, rows, self._tiling)
        lines = encode(np.concatenate([np.clip(pixels, 0.0, 1.0), alpha], axis=2), self._format)
        if self._format.row_order is RowOrder.BOTTOM_UP:
            row = self._size.height - row - height
        self.picture.write(row, column, lines)
