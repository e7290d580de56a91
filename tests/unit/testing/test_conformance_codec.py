"""Pixels as numbers without numpy: there and back in every format, and as numpy reads them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from underpaint.testing.conformance.codec import Color, converted, decode, encode
from underpaint.testing.conformance.compare import TOLERANCE, difference
from underpaint.types import Alpha, Channels, ColorSpace, DataType, Image, PixelFormat, RowOrder

levels = st.integers(0, 255).map(lambda level: level / 255)
colors = st.tuples(levels, levels, levels, levels)


@st.composite
def formats(draw: st.DrawFn) -> PixelFormat:
    channels = draw(st.sampled_from([Channels.RGBA, Channels.BGRA]))
    alpha = draw(st.sampled_from([Alpha.STRAIGHT, Alpha.PREMULTIPLIED]))
    return PixelFormat(
        channels,
        draw(st.sampled_from(DataType)),
        alpha,
        draw(st.sampled_from([ColorSpace.SRGB, ColorSpace.LINEAR_REC709])),
        draw(st.sampled_from(RowOrder)),
    )


@st.composite
def pictures(draw: st.DrawFn) -> tuple[int, list[Color]]:
    width, height = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    return width, draw(st.lists(colors, min_size=width * height, max_size=width * height))


@given(pictures(), formats(), st.integers(0, 9))
def test_a_picture_comes_back_from_any_format_within_its_rounding(
    picture: tuple[int, list[Color]], format: PixelFormat, gap: int
) -> None:
    width, pixels = picture
    height, row = len(pixels) // width, width * format.bytes_per_pixel
    tight = encode(pixels, width, format)
    assert len(tight) == row * height
    rows = b"".join(tight[at : at + row] + bytes(gap) for at in range(0, len(tight), row))
    image = Image(width, height, rows, format, stride=row + gap if gap else 0)
    assert difference(decode(image), pixels, width, TOLERANCE[format.data_type]) == ""


@pytest.mark.parametrize("data_type", DataType)
def test_bytes_lie_as_numpy_lays_them(data_type: DataType) -> None:
    dtype = {"u8": np.uint8, "u16": np.uint16, "f16": np.float16, "f32": np.float32}[data_type.value]
    top = np.iinfo(dtype).max if data_type in (DataType.U8, DataType.U16) else 1
    pixels = [(1.0, 0.0, 0.0, 1.0), (0.0, 1.0, 0.0, 1.0), (0.0, 0.0, 1.0, 1.0), (0.2, 0.4, 0.6, 0.0)]
    format = PixelFormat(Channels.BGRA, data_type, Alpha.STRAIGHT, ColorSpace.SRGB, RowOrder.BOTTOM_UP)
    lying = np.frombuffer(encode(pixels, 2, format), dtype).reshape(2, 2, 4)
    want = np.array(pixels)[:, [2, 1, 0, 3]].reshape(2, 2, 4)[::-1] * top
    assert np.allclose(lying, want, atol=0.5 if top > 1 else 1e-3)


def test_gray_is_all_three_colours_and_opaque_where_there_is_no_alpha() -> None:
    gray = PixelFormat(Channels.GRAY, DataType.U8, Alpha.NONE, ColorSpace.DATA)
    assert decode(Image(1, 1, b"\x33", gray)) == [(0.2, 0.2, 0.2, 1.0)]
    assert encode([(0.2, 0.9, 0.9, 0.1)], 1, gray) == b"\x33"


@given(colors)
def test_colour_spaces_convert_there_and_back_and_leave_alpha_and_data(color: Color) -> None:
    linear = converted(color, ColorSpace.SRGB, ColorSpace.LINEAR_REC709)
    assert linear[3] == color[3]
    assert converted(linear, ColorSpace.LINEAR_REC709, ColorSpace.SRGB) == pytest.approx(color, abs=1e-6)
    assert converted(color, ColorSpace.SRGB, ColorSpace.DATA) == color


def test_middle_grey_is_where_the_standard_puts_it() -> None:
    color = converted((0.5, 0.04045, 1.0, 1.0), ColorSpace.SRGB, ColorSpace.LINEAR_REC709)
    assert color == pytest.approx((0.21404, 0.0031308, 1.0, 1.0), abs=1e-5)
