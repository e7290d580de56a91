"""Where a texture has pixels at all."""

from __future__ import annotations

from dataclasses import dataclass

from underpaint.types.pixels import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class UvIslands:
    """The islands of an unwrapped mesh: what lies between them is no part of the picture.

    The model does not see it, a mask does not reach it, and of what was painted only the islands come back,
    going on for `padding` pixels so that filtering draws no seams.
    """

    mask: Image
    """One channel, with its own place on the canvas; 0.5 and more is inside an island. 0 outside of it."""
    padding: int = 16
    """Pixels, 0 to 256. 16 is Blender's own margin for baking."""
