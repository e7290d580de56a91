"""Pixels as numbers and back, in any `PixelFormat`, without numpy.

A picture here is a list of (red, green, blue, alpha), row by row from the top, 0.0 to 1.0 (floats may lie
beyond), alpha straight. A mask has its coverage in all three colours.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Final

from underpaint.types import Alpha, Channels, ColorSpace, DataType, Image, PixelFormat, RowOrder

Color = tuple[float, float, float, float]
Pattern = Callable[[int, int], Color]
"""A colour for each place (x, y) of the canvas."""

_INDEX: Final = {
    Channels.GRAY: (0,),
    Channels.GRAY_ALPHA: (0, 3),
    Channels.RGB: (0, 1, 2),
    Channels.BGR: (2, 1, 0),
    Channels.RGBA: (0, 1, 2, 3),
    Channels.BGRA: (2, 1, 0, 3),
}
_CODE: Final = {DataType.U8: "B", DataType.U16: "H", DataType.F16: "e", DataType.F32: "f"}
_TOP: Final = {DataType.U8: 255, DataType.U16: 65535}


def encode(
    pixels: Sequence[Color], width: int, format: PixelFormat, color_space: ColorSpace | None = None
) -> bytes:
    """Rows without gaps. `color_space` is that of the given pixels; None: the format's own."""
    rows = [pixels[start : start + width] for start in range(0, len(pixels), width)]
    if format.row_order is RowOrder.BOTTOM_UP:
        rows.reverse()
    index, top = _INDEX[format.channels], _TOP.get(format.data_type)
    multiply = format.alpha is Alpha.PREMULTIPLIED
    numbers: list[float] = []
    for row in rows:
        for pixel in row:
            color = converted(pixel, color_space or format.color_space, format.color_space)
            if multiply:
                color = (color[0] * color[3], color[1] * color[3], color[2] * color[3], color[3])
            numbers.extend(color[channel] for channel in index)
    code = f"={len(numbers)}{_CODE[format.data_type]}"
    if top is None:
        return struct.pack(code, *numbers)
    return struct.pack(code, *(min(top, max(0, round(number * top))) for number in numbers))


def decode(image: Image, color_space: ColorSpace | None = None) -> list[Color]:
    """The pixels of an image, in `color_space` (None: the image's own). Without alpha they are opaque."""
    format = image.format
    index, top = _INDEX[format.channels], _TOP.get(format.data_type, 1)
    count = len(index)
    divide = format.alpha is Alpha.PREMULTIPLIED
    target = color_space or format.color_space
    code = f"={image.width * count}{_CODE[format.data_type]}"
    data = memoryview(image.data).cast("B")
    found: list[Color] = []
    order = range(image.height)
    for y in reversed(order) if format.row_order is RowOrder.BOTTOM_UP else order:
        numbers = struct.unpack_from(code, data, y * image.row_bytes)
        for start in range(0, len(numbers), count):
            values = [0.0, 0.0, 0.0, 1.0]
            for channel, number in zip(index, numbers[start : start + count], strict=True):
                values[channel] = number / top
            if count <= 2:
                values[1] = values[2] = values[0]
            if divide and values[3] > 0:
                values[:3] = [value / values[3] for value in values[:3]]
            color = (values[0], values[1], values[2], values[3])
            found.append(converted(color, format.color_space, target))
    return found


def converted(color: Color, source: ColorSpace, target: ColorSpace) -> Color:
    """A colour of one space in another; data is never converted."""
    if source is target or ColorSpace.DATA in (source, target):
        return color
    curve = _to_linear if target is ColorSpace.LINEAR_REC709 else _to_srgb
    return (curve(color[0]), curve(color[1]), curve(color[2]), color[3])


def _to_linear(value: float) -> float:
    if value <= 0.04045:
        return value / 12.92
    return float(((value + 0.055) / 1.055) ** 2.4)


def _to_srgb(value: float) -> float:
    if value <= 0.0031308:
        return value * 12.92
    return float(1.055 * value ** (1 / 2.4) - 0.055)
