"""Tiles blended into a picture, of which only the rows at hand are in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from underpaint.engine.pixels import encode
from underpaint.engine.pixels.color import Floats
from underpaint.engine.upscale.lanczos import as_words, region
from underpaint.geometry import Size, Span, shares
from underpaint.types import PixelFormat, RowOrder, Tiling

STRIP = 32
"""Rows that are handed on at a time: converting them takes several times their memory."""
Keep = Callable[[int, Floats], None]
"""Takes finished rows: the number of the first, and RGB `(rows, width, 3)` in 0.0 … 1.0."""


class Assembly:
    """Blends tiles by their shares. Tiles come row by row of tiles, from the top; `finish` after the last.

    Memory: one row of tiles; where top and bottom meet, also what lies across that edge.
    """

    def __init__(
        self,
        size: Size,
        columns: Sequence[Span],
        rows: Sequence[Span],
        overlap: int,
        tiling: Tiling,
        keep: Keep,
    ) -> None:
        self._size, self._overlap, self._tiling, self._keep = size, overlap, tiling, keep
        self._columns, self._rows = columns, rows
        self._top = rows[0].start
        low, high = rows[0].start, rows[-1].stop
        # Rows outside of this range lie under another tile too, on the other side of the edge.
        self._alone = range(max(low, high - size.height), min(high, low + size.height))
        band = max(span.length for span in rows)
        self._sum = np.zeros((band, size.width, 3), np.float32)
        self._share = np.zeros((band, size.width, 1), np.float32)
        self._across: dict[int, tuple[Floats, Floats]] = {}

    def add(self, column: int, row: int, pixels: Floats) -> None:
        """A tile, `(rows, columns, 3)`; what lies above its first row is finished."""
        x, y = self._columns[column], self._rows[row]
        self._flush(y.start)
        size, tiling, overlap = self._size, self._tiling, self._overlap
        across = np.array(shares(self._columns, column, size.width, overlap, wrap=tiling.x), np.float32)
        down = np.array(shares(self._rows, row, size.height, overlap, wrap=tiling.y), np.float32)
        weight = (down[:, None] * across)[..., None]
        rows = slice(y.start - self._top, y.stop - self._top)
        width, done = self._size.width, 0
        while done < x.length:  # once, or again behind the edge
            left = (x.start + done) % width
            count = min(width - left, x.length - done)
            part = slice(done, done + count)
            self._sum[rows, left : left + count] += pixels[:, part] * weight[:, part]
            self._share[rows, left : left + count] += weight[:, part]
            done += count

    def finish(self) -> None:
        """Hands on what is left."""
        self._flush(self._top + len(self._sum))
        for row, (total, share) in sorted(self._across.items()):
            self._keep(row, (total / share)[None])
        self._across.clear()

    def _flush(self, end: int) -> None:
        count = min(end - self._top, len(self._sum))
        if count <= 0:
            return
        first, last = max(self._top, self._alone.start), min(self._top + count, self._alone.stop)
        for row in range(self._top, self._top + count):
            if row not in self._alone:
                self._put_aside(row)
        for begin in range(first, last, STRIP):
            rows = slice(begin - self._top, min(begin + STRIP, last) - self._top)
            self._keep(begin, self._sum[rows] / self._share[rows])
        for band in (self._sum, self._share):
            band[: len(band) - count] = band[count:].copy()
            band[len(band) - count :] = 0.0
        self._top += count

    def _put_aside(self, row: int) -> None:
        total, share = self._sum[row - self._top], self._share[row - self._top]
        if not share.any():
            return  # below the last tile
        before = self._across.get(row % self._size.height)
        if before is not None:
            total, share = before[0] + total, before[1] + share
        self._across[row % self._size.height] = (total.copy(), share.copy())


class Stored:
    """A picture between two passes, 16 bits a channel."""

    def __init__(self, size: Size) -> None:
        self.picture: npt.NDArray[np.uint16] = np.empty((size.height, size.width, 3), np.uint16)

    def keep(self, row: int, pixels: Floats) -> None:
        """See `Keep`."""
        self.picture[row : row + len(pixels)] = as_words(pixels)


class Encoded:
    """The result in its own layout; `alpha` is the source's, `(height, width, 1)`, scaled as it goes."""

    def __init__(self, size: Size, format: PixelFormat, alpha: Floats, tiling: Tiling) -> None:
        self._size, self._format, self._tiling = size, format, tiling
        self._alpha = alpha if format.channels.has_alpha and bool((alpha < 1.0).any()) else None
        empty = np.zeros((1, 1, 4), np.float32)
        self.samples: npt.NDArray[np.generic] = np.empty(
            (size.height, size.width, format.channels.count), encode(empty, format).dtype
        )

    def keep(self, row: int, pixels: Floats) -> None:
        """See `Keep`."""
        count = len(pixels)
        alpha: Any = np.ones((count, self._size.width, 1), np.float32)
        if self._alpha is not None:
            rows, columns = Span(row, row + count), Span(0, self._size.width)
            alpha = region(self._alpha, self._size, columns, rows, self._tiling)
        lines = encode(np.concatenate([np.clip(pixels, 0.0, 1.0), alpha], axis=2), self._format)
        if self._format.row_order is RowOrder.BOTTOM_UP:
            row = self._size.height - row - count
        self.samples[row : row + count] = lines
