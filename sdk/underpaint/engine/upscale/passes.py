"""A pass over a picture: tiles in, larger tiles out, blended into what comes next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from underpaint.engine.pixels.color import Floats
from underpaint.engine.pixels.pixelfile import PixelFile, window
from underpaint.engine.upscale.assembly import STRIP, Assembly
from underpaint.engine.upscale.lanczos import as_floats, region
from underpaint.engine.upscale.sinks import Encoded, Stored
from underpaint.geometry import Size, Span, spans
from underpaint.types import Tiling


@dataclass(frozen=True, slots=True)
class Tile:
    """A window of the line of tiles, in order."""

    number: int
    x: Span
    y: Span


@dataclass
class TilePass:
    """Tiles over a picture of `size`, each `scale` times larger when it comes back."""

    size: Size
    tiling: Tiling
    tile: int
    overlap: int
    scale: int = 1
    closed: bool = False
    """Whether a tile that spans a tiled axis is closed by its network; see `underpaint.geometry.spans`."""
    done: int = 0
    _assembly: Assembly | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        options = {"tile": self.tile, "overlap": self.overlap, "closed": self.closed}
        self.columns = spans(self.size.width, **options, wrap=self.tiling.x)  # type: ignore[arg-type]
        self.rows = spans(self.size.height, **options, wrap=self.tiling.y)  # type: ignore[arg-type]

    def __len__(self) -> int:
        return len(self.columns) * len(self.rows)

    @property
    def finished(self) -> bool:
        """Whether all tiles were taken."""
        return self.done >= len(self)

    @property
    def target(self) -> Size:
        """The size of what it makes."""
        return Size(self.size.width * self.scale, self.size.height * self.scale)

    @property
    def at(self) -> Tile:
        """The tile whose turn it is."""
        row, column = divmod(self.done, len(self.columns))
        return Tile(self.done, self.columns[column], self.rows[row])

    def take(self, pixels: Floats, sink: Stored | Encoded) -> None:
        """The tile at hand is made, `(rows, columns, 3)`; after the last one the sink has all of it."""
        if self._assembly is None:
            columns, rows = (tuple(map(self._scaled, line)) for line in (self.columns, self.rows))
            overlap = self.overlap * self.scale
            self._assembly = Assembly(self.target, columns, rows, overlap, self.tiling, sink.keep)
        row, column = divmod(self.done, len(self.columns))
        self._assembly.add(column, row, pixels)
        self.done += 1
        if self.finished:
            self._assembly = None

    def _scaled(self, span: Span) -> Span:
        return Span(span.start * self.scale, span.stop * self.scale)


def cut(picture: npt.NDArray[Any] | PixelFile, tile: Tile) -> Floats:
    """A window of a picture at its own size; over an edge it goes on at the other side."""
    height, width = picture.shape[:2]
    rows = np.arange(tile.y.start, tile.y.stop) % height
    columns = np.arange(tile.x.start, tile.x.stop) % width
    return np.clip(as_floats(window(picture, rows, columns)), 0.0, 1.0)


def strips(picture: npt.NDArray[Any] | PixelFile, size: Size, tiling: Tiling) -> Iterator[tuple[int, Floats]]:
    """The whole picture at another size, a few rows at a time."""
    for row in range(0, size.height, STRIP):
        rows = Span(row, min(row + STRIP, size.height))
        yield row, region(picture, size, Span(0, size.width), rows, tiling)
