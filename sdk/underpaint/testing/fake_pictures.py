"""What the fake daemon paints: one colour that the specification decides, in any layout, without numpy.

Text to image fills the picture; with a mask, a layer gets the mask as its alpha and a merged picture keeps
the source's own bytes wherever the mask is 0.
"""

from __future__ import annotations

import hashlib
import struct
from typing import Final

from underpaint.testing.conformance.codec import encode
from underpaint.testing.conformance.patterns import drawing
from underpaint.types import MASK_FORMAT, Alpha, Channels, DataType, PixelFormat, RowOrder
from underpaint.v1 import image_pb2, job_service_pb2
from underpaint.wire.images import format_of

_ORDER: Final = {
    Channels.GRAY: "y",
    Channels.GRAY_ALPHA: "ya",
    Channels.RGB: "rgb",
    Channels.BGR: "bgr",
    Channels.RGBA: "rgba",
    Channels.BGRA: "bgra",
}
_CODES: Final = {
    DataType.U8: ("B", 255.0),
    DataType.U16: ("H", 65535.0),
    DataType.F16: ("e", 0.0),
    DataType.F32: ("f", 0.0),
}


def color_of(spec: job_service_pb2.JobSpec) -> tuple[int, int, int]:
    """The colour of a specification, 0 to 255 a channel: the same for the same seed and prompt."""
    seed = f"{spec.model}\0{spec.prompt}\0{spec.seed}\0{spec.steps}"
    red, green, blue = hashlib.sha256(seed.encode()).digest()[:3]
    return red, green, blue


def pixel(format: PixelFormat, color: tuple[int, int, int], alpha: int = 255) -> bytes:
    """One pixel; `color` and `alpha` from 0 to 255."""
    share = alpha / 255 if format.alpha is Alpha.PREMULTIPLIED else 1.0
    red, green, blue = (value * share for value in color)
    values = {"r": red, "g": green, "b": blue, "a": float(alpha), "y": (red + green + blue) / 3}
    code, top = _CODES[format.data_type]
    numbers = [values[name] / 255 for name in _ORDER[format.channels]]
    return struct.pack(f"={len(numbers)}{code}", *(round(n * top) if top else n for n in numbers))


def flat(format: PixelFormat, width: int, height: int, color: tuple[int, int, int]) -> bytes:
    """A picture of one colour."""
    return pixel(format, color) * (width * height)


def layer(
    format: PixelFormat, width: int, height: int, color: tuple[int, int, int], mask: bytes, up: bool
) -> bytes:
    """One colour with a mask (one byte a pixel, `up`: bottom row first) as its alpha."""
    table = [pixel(format, color, alpha) for alpha in range(256)]
    rows = _rows(mask, width, height, up != (format.row_order is RowOrder.BOTTOM_UP))
    return b"".join(table[value] for row in rows for value in row)


def merged(
    format: PixelFormat,
    width: int,
    height: int,
    color: tuple[int, int, int],
    source: bytes,
    mask: bytes,
    up: bool,
) -> bytes:
    """The source, in `format` itself, with one colour wherever the mask is not 0."""
    painted, size = pixel(format, color), format.bytes_per_pixel
    rows = _rows(mask, width, height, up != (format.row_order is RowOrder.BOTTOM_UP))
    found = bytearray(source)
    for index, value in enumerate(value for row in rows for value in row):
        if value:
            found[index * size : (index + 1) * size] = painted
    return bytes(found)


def paint(
    spec: job_service_pb2.JobSpec,
    layout: image_pb2.ImageLayout,
    source: tuple[image_pb2.ImageLayout, bytes] | None,
    mask: tuple[image_pb2.ImageLayout, bytes] | None,
) -> bytes:
    """The picture of a resolved specification, in `layout` (rows without gaps)."""
    format, color = format_of(layout), color_of(spec)
    width, height = layout.width_px, layout.height_px
    if mask is None or source is None:
        return flat(format, width, height, color)
    coverage, up = _coverage(*mask)
    if spec.result_form == job_service_pb2.RESULT_FORM_LAYER:
        return layer(format, width, height, color, coverage, up)
    if format_of(source[0]) != format:
        return flat(format, width, height, color)
    return merged(format, width, height, color, _tight(*source), coverage, up)


def drawn(
    spec: job_service_pb2.JobSpec,
    layout: image_pb2.ImageLayout,
    source: tuple[image_pb2.ImageLayout, bytes] | None,
    mask: tuple[image_pb2.ImageLayout, bytes] | None,
) -> bytes:
    """`drawing`, from the picture's own top left corner, with the mask as its alpha."""
    format, width, height = format_of(layout), layout.width_px, layout.height_px
    coverage = [255] * (width * height)
    if mask is not None:
        found, up = _coverage(*mask)
        coverage = [value for row in _rows(found, width, height, up) for value in row]
    pixels = [
        (*drawing(x, y)[:3], coverage[y * width + x] / 255) for y in range(height) for x in range(width)
    ]
    return encode(pixels, width, format)


def _coverage(layout: image_pb2.ImageLayout, pixels: bytes) -> tuple[bytes, bool]:
    format = format_of(layout)
    tight = _tight(layout, pixels)
    code, top = _CODES[format.data_type]
    if format.data_type is not MASK_FORMAT.data_type:
        count = len(tight) // format.data_type.size
        numbers = struct.unpack(f"={count}{code}", tight)
        tight = bytes(min(255, max(0, round(number / (top or 1.0) * 255))) for number in numbers)
    return tight, format.row_order is RowOrder.BOTTOM_UP


def _tight(layout: image_pb2.ImageLayout, pixels: bytes) -> bytes:
    row = layout.width_px * format_of(layout).bytes_per_pixel
    stride = layout.stride_bytes or row
    return b"".join(pixels[y * stride : y * stride + row] for y in range(layout.height_px))


def _rows(mask: bytes, width: int, height: int, flip: bool) -> list[bytes]:
    rows = [mask[y * width : (y + 1) * width] for y in range(height)]
    return rows[::-1] if flip else rows
