"""Value types refuse what cannot be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from underpaint.types import Alpha, Bounds, Channels, DataType, Image, Parameter, PixelFormat, Tiling

sides = st.integers(0, 5000)
places = st.integers(-5000, 5000)
rectangles = st.builds(Bounds, places, places, sides, sides)


@given(rectangles, rectangles)
def test_an_intersection_lies_in_both_and_does_not_depend_on_the_order(a: Bounds, b: Bounds) -> None:
    common = a.intersect(b)
    if not common.is_empty:
        assert a.contains(common) and b.contains(common)
        assert common == b.intersect(a)
    else:
        assert b.intersect(a).is_empty


def test_bounds_refuse_a_negative_size() -> None:
    with pytest.raises(ValueError, match="negative"):
        Bounds(0, 0, -1, 5)


@pytest.mark.parametrize(
    ("channels", "count", "alpha"),
    [
        (Channels.GRAY, 1, False),
        (Channels.GRAY_ALPHA, 2, True),
        (Channels.RGB, 3, False),
        (Channels.BGR, 3, False),
        (Channels.RGBA, 4, True),
        (Channels.BGRA, 4, True),
    ],
)
def test_channels_know_their_number_and_alpha(channels: Channels, count: int, alpha: bool) -> None:
    assert (channels.count, channels.has_alpha) == (count, alpha)


def test_a_format_refuses_alpha_that_its_channels_do_not_have() -> None:
    with pytest.raises(ValueError, match="does not go with"):
        PixelFormat(Channels.RGB, alpha=Alpha.STRAIGHT)
    with pytest.raises(ValueError, match="does not go with"):
        PixelFormat(Channels.RGBA, alpha=Alpha.NONE)


@pytest.mark.parametrize(
    ("stride", "size", "fits"), [(0, 24, True), (0, 23, False), (16, 32, True), (11, 99, False)]
)
def test_an_image_needs_all_its_bytes(stride: int, size: int, fits: bool) -> None:
    pixel_format = PixelFormat(Channels.GRAY, DataType.F32, Alpha.NONE)
    if fits:
        image = Image(3, 2, bytes(size), pixel_format, stride=stride)
        assert image.size_bytes == size
    else:
        with pytest.raises(ValueError, match="bytes|short"):
            Image(3, 2, bytes(size), pixel_format, stride=stride)


@pytest.mark.parametrize(
    ("tiling", "x", "y"),
    [
        (Tiling.NONE, False, False),
        (Tiling.X, True, False),
        (Tiling.Y, False, True),
        (Tiling.XY, True, True),
    ],
)
def test_tiling_knows_its_axes(tiling: Tiling, x: bool, y: bool) -> None:
    assert (tiling.x, tiling.y) == (x, y)


@pytest.mark.parametrize("default", [-0.1, 1.1, float("nan")])
def test_a_parameter_refuses_a_default_out_of_its_range(default: float) -> None:
    with pytest.raises(ValueError, match="gain: the default"):
        Parameter(name="gain", default=default, minimum=0.0, maximum=1.0)
