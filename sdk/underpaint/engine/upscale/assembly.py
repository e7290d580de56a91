"""Tiles blended into a picture, of which only what still waits for a neighbour is in memory."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from underpaint.engine.pixels.color import Floats
from underpaint.engine.upscale.segments import parts_of
from underpaint.geometry import Size, Span
from underpaint.types import Tiling

STRIP = 32
"""Rows that are handed on at a time: converting them takes several times their memory."""
Keep = Callable[[int, int, Floats], None]
"""Takes finished pixels: row and column of the first, and RGB `(rows, columns, 3)` in 0.0 … 1.0."""


class Assembly:
    """Blends tiles by their shares. They come row by row of tiles, from the top.

    What one tile says alone leaves with it. Where tiles pass over into each other, pixels wait for the last
    of them, so in memory are, beside the tile at hand, the seam below each row of tiles (a third of an
    overlap high), the seam to the tile's right, and, where edges meet, those across the edge.
    """

    def __init__(
        self,
        size: Size,
        columns: tuple[Span, ...],
        rows: tuple[Span, ...],
        overlap: int,
        tiling: Tiling,
        keep: Keep,
    ) -> None:
        self._across = parts_of(columns, size.width, overlap, wrap=tiling.x)
        self._down = parts_of(rows, size.height, overlap, wrap=tiling.y)
        self._keep = keep
        self._waiting: dict[tuple[Span, Span], tuple[Floats, int]] = {}

    @property
    def waiting(self) -> int:
        """Bytes of pixels that wait for a neighbour."""
        return sum(pixels.nbytes for pixels, _ in self._waiting.values())

    def add(self, column: int, row: int, pixels: Floats) -> None:
        """A tile, `(rows, columns, 3)`. After the last one everything was handed on."""
        for y in self._down[row]:
            for x in self._across[column]:
                part = pixels[y.offset :, x.offset :][: y.segment.length, : x.segment.length]
                if y.voices * x.voices == 1:
                    self._hand_on(y.segment.start, x.segment.start, part)
                    continue
                said = part * y.weights[:, None, None] * x.weights[:, None]
                before, heard = self._waiting.pop((y.segment, x.segment), (None, 0))
                said = said if before is None else np.add(before, said, out=before)
                if heard + 1 == y.voices * x.voices:
                    self._hand_on(y.segment.start, x.segment.start, said)
                else:
                    self._waiting[y.segment, x.segment] = (said, heard + 1)

    def _hand_on(self, row: int, column: int, pixels: Floats) -> None:
        for begin in range(0, len(pixels), STRIP):
            self._keep(row + begin, column, pixels[begin : begin + STRIP])
