"""A picture through a VAE in overlapping tiles, one a step: bounded memory, seams that are blended.

Next to a cut edge of a tile the network saw padding in place of the picture: that counts for nothing. Behind
it the weight of the tile rises to one in a straight line, and what tiles say of a pixel is averaged by it.
Along an axis that continues at the opposite edge the tiles go round, and the picture's own edge is a place
like any other.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

import torch

from underpaint.types import Tiling

EDGES = (128, 96, 64, 48, 32)
"""Lengths of a tile's edge in latent cells, the largest first; each step down saves about half."""
OVERLAP = 16
"""Cells that neighbours share, at least."""
MARGIN = 4
"""Cells at a cut edge that count for nothing."""

Compute = Callable[[torch.Tensor, Tiling], torch.Tensor]
"""One tile `(1, c, h, w)` through the network, with the axes along which it goes round by itself."""


class Axis:
    """Tiles along one axis of `length` cells; `ring`: its ends meet. `edge` 0, or no shorter: one tile."""

    def __init__(self, length: int, edge: int, *, ring: bool) -> None:
        self.length = length
        self.ring = ring
        self.whole = edge == 0 or edge >= length
        self.edge = length if self.whole else edge
        count = 1
        if not self.whole:
            count = ceil((length if ring else length - OVERLAP) / (edge - OVERLAP))
        last = 0 if count == 1 else (length * (count - 1) / count if ring else length - self.edge)
        self.starts = [round(last * index / max(1, count - 1)) for index in range(count)]

    def places(self, start: int, scale: int) -> torch.Tensor:
        """What a tile covers: indices, with `scale` of them a cell."""
        return torch.arange(start * scale, (start + self.edge) * scale) % (self.length * scale)

    def weights(self, start: int, scale: int) -> torch.Tensor:
        """How much each of them counts, above 0.0 and up to 1.0 but for the margins."""
        weights = torch.ones(self.edge * scale)
        rise = (OVERLAP - 2 * MARGIN) * scale
        ramp = (torch.arange(rise) + 0.5) / rise
        ramp = torch.cat([torch.zeros(MARGIN * scale), ramp])
        if not self.whole and (self.ring or start > 0):
            weights[: len(ramp)] *= ramp
        if not self.whole and (self.ring or start + self.edge < self.length):
            weights[-len(ramp) :] *= ramp.flip(0)
        return weights


class TileRun:
    """One picture on its way. A tile that fails, for lack of memory, has changed nothing.

    `source` is `(1, c, rows, columns)` with `scale_in` of them a latent cell, the result float32 with
    `scale_out`. One tile gives what the network gave, to the bit.
    """

    def __init__(
        self, source: torch.Tensor, edge: int, tiling: Tiling, *, scale_in: int, scale_out: int
    ) -> None:
        height, width = (side // scale_in for side in source.shape[2:])
        self._source = source
        self._rows, self._columns = Axis(height, edge, ring=tiling.y), Axis(width, edge, ring=tiling.x)
        self._in, self._out = scale_in, scale_out
        self._alone = Tiling(
            ("x" if tiling.x and self._columns.whole else "") + ("y" if tiling.y and self._rows.whole else "")
            or "none"
        )
        self._left = [(y, x) for y in self._rows.starts for x in self._columns.starts]
        self.count = len(self._left)
        """Tiles in all."""
        self._sum: torch.Tensor | None = None
        self._weight = torch.zeros(height * scale_out, width * scale_out)

    @property
    def finished(self) -> bool:
        """Whether every tile is done."""
        return not self._left

    def step(self, compute: Compute) -> None:
        """Takes the next tile through the network."""
        y, x = self._left[0]
        rows, columns = self._rows.places(y, self._in), self._columns.places(x, self._in)
        if self.count == 1:
            self._sum = compute(self._source, self._alone)
        else:
            made = compute(self._source[:, :, rows][:, :, :, columns], self._alone).float().cpu()
            weight = self._rows.weights(y, self._out)[:, None] * self._columns.weights(x, self._out)
            if self._sum is None:
                self._sum = torch.zeros(*made.shape[:2], *self._weight.shape)
            place = (self._rows.places(y, self._out)[:, None], self._columns.places(x, self._out))
            self._sum[(slice(None), slice(None), *place)] += made * weight
            self._weight[place] += weight
        self._left.pop(0)

    def result(self) -> torch.Tensor:
        """What came out, `(1, c, rows, columns)`."""
        assert self.finished and self._sum is not None, "every tile has been computed"
        return self._sum if self.count == 1 else self._sum / self._weight


def count_tiles(height: int, width: int, edge: int, tiling: Tiling) -> int:
    """How many tiles a picture of so many cells makes."""
    rows, columns = Axis(height, edge, ring=tiling.y), Axis(width, edge, ring=tiling.x)
    return len(rows.starts) * len(columns.starts)


def smaller(edge: int, longest: int) -> int | None:
    """The next smaller edge for a picture of so many cells, from `edge` (0: all in one); None for none."""
    present = edge or longest
    return next((one for one in EDGES if one < present), None)
