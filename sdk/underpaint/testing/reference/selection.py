"""A soft selection."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from underpaint.testing.reference.samples import Coverage, inside
from underpaint.types import Bounds


@dataclass(frozen=True, eq=False, slots=True)
class Selection:
    """How much of each pixel is selected: 0 to 255 at a place; nothing outside it."""

    x: int
    y: int
    coverage: Coverage
    """`(height, width)`, u8."""

    @property
    def bounds(self) -> Bounds:
        """Where the coverage lies; not tight."""
        return Bounds(self.x, self.y, int(self.coverage.shape[1]), int(self.coverage.shape[0]))

    @classmethod
    def rectangle(cls, bounds: Bounds, coverage: int = 255) -> Selection:
        """A rectangle, evenly selected."""
        return cls(bounds.x, bounds.y, np.full((bounds.height, bounds.width), coverage, np.uint8))

    def within(self, bounds: Bounds) -> Coverage:
        """The coverage of exactly these bounds."""
        found = np.zeros((bounds.height, bounds.width), np.uint8)
        part = self.bounds.intersect(bounds)
        if not part.is_empty:
            found[inside(part, bounds)] = self.coverage[inside(part, self.bounds)]
        return found

    def tight(self, canvas: Bounds) -> Bounds | None:
        """Around what is selected on the canvas; None if that is nothing."""
        part = self.bounds.intersect(canvas)
        there = self.coverage[inside(part, self.bounds)] != 0
        rows, columns = np.flatnonzero(there.any(axis=1)), np.flatnonzero(there.any(axis=0))
        if not rows.size:
            return None
        x, y = part.x + int(columns[0]), part.y + int(rows[0])
        return Bounds(x, y, int(columns[-1] - columns[0]) + 1, int(rows[-1] - rows[0]) + 1)
