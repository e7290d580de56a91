"""Layouts on the wire."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from underpaint.errors import InvalidRequest
from underpaint.types import Alpha, Channels, ColorSpace, DataType, PixelFormat, RowOrder
from underpaint.v1 import image_pb2
from underpaint.wire import images

FORMATS = [
    PixelFormat(channels, data_type, alpha, space, rows)
    for channels in Channels
    for data_type in DataType
    for alpha in Alpha
    for space in ColorSpace
    for rows in RowOrder
    if channels.has_alpha != (alpha is Alpha.NONE)
]


@given(st.sampled_from(FORMATS), st.integers(1, 65535), st.integers(1, 65535), st.integers(0, 64))
def test_a_format_is_the_same_after_the_journey(
    format: PixelFormat, width: int, height: int, gap: int
) -> None:
    stride = width * format.bytes_per_pixel + gap * format.data_type.size if gap else 0
    layout = images.layout_for(format, width, height, stride)
    arrived = image_pb2.ImageLayout.FromString(layout.SerializeToString())
    assert images.format_of(arrived) == format
    assert (arrived.width_px, arrived.height_px, arrived.stride_bytes) == (width, height, stride)
    assert images.layout_bytes(arrived) == (stride or width * format.bytes_per_pixel) * height


@pytest.mark.parametrize(
    ("width", "height", "stride", "field"),
    [
        (0, 1, 0, "width_px"),
        (1, 0, 0, "height_px"),
        (65536, 1, 0, "width_px"),
        (-1, 1, 0, "width_px"),
        (10, 1, 39, "stride_bytes"),
        (10, 1, -40, "stride_bytes"),
        (10, 1, 2**31, "stride_bytes"),
    ],
)
def test_a_size_that_makes_no_sense_is_refused_by_name(
    width: int, height: int, stride: int, field: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        images.layout_for(PixelFormat(), width, height, stride, field="spec.output")
    assert [found.field for found in caught.value.violations] == [f"spec.output.{field}"]


def test_rows_of_floats_start_where_a_float_may_start() -> None:
    float_format = PixelFormat(Channels.RGBA, DataType.F32)
    with pytest.raises(InvalidRequest, match="multiple of 4"):
        images.layout_for(float_format, 2, 2, 33)


@pytest.mark.parametrize("name", ["channel_order", "data_type", "alpha_mode", "color_space", "row_order"])
@pytest.mark.parametrize("number", [0, 99])
def test_an_unset_or_unknown_value_is_refused_by_name(name: str, number: int) -> None:
    layout = images.layout_for(PixelFormat(), 4, 4)
    setattr(layout, name, number)
    with pytest.raises(InvalidRequest) as caught:
        images.layout_bytes(layout)
    assert f"layout.{name}" in [found.field for found in caught.value.violations]


def test_channels_without_alpha_do_not_take_an_alpha_mode() -> None:
    layout = images.layout_for(PixelFormat(), 4, 4)
    layout.channel_order = image_pb2.CHANNEL_ORDER_RGB
    with pytest.raises(InvalidRequest, match="alpha_mode"):
        images.format_of(layout)
