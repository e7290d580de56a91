"""Pictures to check with: none is symmetric, none repeats within a few pixels."""

from __future__ import annotations

from typing import Final

from underpaint.testing.conformance.codec import Color, Pattern
from underpaint.types import MASK_FORMAT, Bounds, Image


def places(x: int, y: int) -> Color:
    """Opaque, another colour at every place, in steps that u8 holds exactly."""
    return ((x * 5 + y) % 256 / 255, (y * 6 + 3) % 256 / 255, (x * 7 + x * y) % 256 / 255, 1.0)


def drawing(x: int, y: int) -> Color:
    """What the fake daemon draws, from the result's own top left corner; u8 holds it exactly."""
    return ((x * 4 % 256) / 255, (y * 4 % 256) / 255, ((x // 8 * 16 + y // 8 * 5) % 256) / 255, 1.0)


def fine(x: int, y: int) -> Color:
    """Opaque, in steps of u16: 8 bits cannot hold it."""
    step = (x * 977 + y * 3121) % 65536
    return (step / 65535, (65535 - step) / 65535, (step * 3 % 65536) / 65535, 1.0)


def glass(x: int, y: int) -> Color:
    """Bright colours whose alpha runs from 0 to 1 and back, in steps that u8 holds."""
    alpha = (x * 11 + y * 17) % 256 / 255
    return (230 / 255, (80 + x) % 256 / 255, (40 + 2 * y) % 256 / 255, alpha)


def flat(red: int, green: int, blue: int) -> Pattern:
    """One opaque colour, 0 to 255 a channel."""
    return lambda x, y: (red / 255, green / 255, blue / 255, 1.0)


CORNERS: Final = (30, 90, 160, 230)
"""Grey of the quarters: top left, top right, bottom left, bottom right."""


def quarters(bounds: Bounds) -> Pattern:
    """Four grey quarters, as `CORNERS` says."""

    def grey(x: int, y: int) -> Color:
        right, low = x >= bounds.x + bounds.width // 2, y >= bounds.y + bounds.height // 2
        value = CORNERS[right + 2 * low] / 255
        return (value, value, value, 1.0)

    return grey


def hard_mask(bounds: Bounds) -> Image:
    """All of `bounds` selected."""
    return Image(
        bounds.width, bounds.height, b"\xff" * (bounds.width * bounds.height), MASK_FORMAT, bounds.x, bounds.y
    )


def soft_mask(bounds: Bounds) -> Image:
    """Every coverage from 1 to 255, without symmetry; the first and last rows and columns are not 0."""
    data = bytes(
        1 + (x * 13 + y * 29) % 255
        for y in range(bounds.y, bounds.bottom)
        for x in range(bounds.x, bounds.right)
    )
    return Image(bounds.width, bounds.height, data, MASK_FORMAT, bounds.x, bounds.y)


def coverage(mask: Image, x: int, y: int) -> int:
    """What a mask of u8 says about a place of the canvas: 0 outside of it."""
    if not mask.bounds.contains(Bounds(x, y, 1, 1)):
        return 0
    return memoryview(mask.data)[(y - mask.y) * mask.row_bytes + x - mask.x]
