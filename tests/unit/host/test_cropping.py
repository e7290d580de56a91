"""Parts of pictures, whatever their rows look like."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from underpaint.host.cropping import cropped, extended, outside_of
from underpaint.types import MASK_FORMAT, Bounds, Channels, DataType, Image, PixelFormat, RowOrder

WHOLE = Bounds(30, 20, 9, 7)


def painted(pixels: PixelFormat, gap: int) -> Image:
    """Every byte of a pixel tells its place on the canvas; gaps are 255."""
    size, row = pixels.bytes_per_pixel, WHOLE.width * pixels.bytes_per_pixel + gap
    lying = np.full((WHOLE.height, row), 255, np.uint8)
    for line in range(WHOLE.height):
        y = WHOLE.bottom - 1 - line if pixels.row_order is RowOrder.BOTTOM_UP else WHOLE.y + line
        for x in range(WHOLE.x, WHOLE.right):
            lying[line, (x - WHOLE.x) * size : (x - WHOLE.x + 1) * size] = x * 5 % 251 ^ y
    return Image(WHOLE.width, WHOLE.height, lying.tobytes(), pixels, WHOLE.x, WHOLE.y, row)


def places(image: Image) -> dict[tuple[int, int], set[int]]:
    """The bytes at each place of the canvas."""
    size, found = image.format.bytes_per_pixel, {}
    for y in range(image.y, image.bounds.bottom):
        upwards = image.format.row_order is RowOrder.BOTTOM_UP
        line = image.bounds.bottom - 1 - y if upwards else y - image.y
        for x in range(image.x, image.bounds.right):
            at = line * image.row_bytes + (x - image.x) * size
            found[x, y] = set(bytes(image.data)[at : at + size])
    return found


@pytest.mark.parametrize("order", RowOrder)
@pytest.mark.parametrize("gap", [0, 3])
@pytest.mark.parametrize(
    "pixels",
    [PixelFormat(), MASK_FORMAT, PixelFormat(Channels.BGRA, DataType.F32)],
    ids=["u8", "mask", "f32"],
)
@pytest.mark.parametrize(
    "part",
    [Bounds(30, 20, 1, 1), Bounds(33, 22, 4, 3), Bounds(38, 26, 1, 1), Bounds(30, 21, 9, 2), WHOLE],
    ids=str,
)
def test_a_part_holds_the_pixels_of_its_places(
    part: Bounds, pixels: PixelFormat, gap: int, order: RowOrder
) -> None:
    image = painted(replace(pixels, row_order=order), gap)
    found = cropped(image, part)
    assert found.bounds == part
    assert found.format == image.format
    everywhere = places(image)
    assert places(found) == {
        (x, y): everywhere[x, y] for x in range(part.x, part.right) for y in range(part.y, part.bottom)
    }


def test_all_of_it_is_the_same_picture() -> None:
    image = painted(PixelFormat(), 3)
    assert cropped(image, WHOLE) is image


@pytest.mark.parametrize("part", [Bounds(29, 20, 3, 3), Bounds(30, 20, 9, 8), Bounds(31, 21, 0, 2)], ids=str)
def test_what_is_no_part_is_refused(part: Bounds) -> None:
    with pytest.raises(ValueError, match="no part of a picture"):
        cropped(painted(PixelFormat(), 0), part)


@pytest.mark.parametrize("order", RowOrder)
@pytest.mark.parametrize("gap", [0, 3])
@pytest.mark.parametrize("pixels", [PixelFormat(), MASK_FORMAT], ids=["u8", "mask"])
@pytest.mark.parametrize(
    "around", [WHOLE, Bounds(28, 20, 11, 7), Bounds(30, 16, 20, 30), Bounds(0, 0, 60, 50)]
)
def test_a_picture_carried_on_has_the_nearest_pixel_everywhere(
    around: Bounds, pixels: PixelFormat, gap: int, order: RowOrder
) -> None:
    image = painted(replace(pixels, row_order=order), gap)
    found = extended(image, around)
    assert found.bounds == around
    everywhere = places(image)
    assert places(found) == {
        (x, y): everywhere[min(max(x, WHOLE.x), WHOLE.right - 1), min(max(y, WHOLE.y), WHOLE.bottom - 1)]
        for x in range(around.x, around.right)
        for y in range(around.y, around.bottom)
    }


def test_a_picture_is_carried_on_to_what_holds_it_only() -> None:
    with pytest.raises(ValueError, match="cannot be carried on"):
        extended(painted(PixelFormat(), 0), Bounds(31, 20, 40, 40))


@pytest.mark.parametrize("inner", [WHOLE, Bounds(31, 22, 2, 1), Bounds(0, 0, 5, 5), Bounds(25, 21, 9, 3)])
def test_the_mask_of_what_lies_outside_is_the_rest(inner: Bounds) -> None:
    mask = outside_of(inner, WHOLE)
    assert (mask.format, mask.bounds) == (MASK_FORMAT, WHOLE)
    kept = inner.intersect(WHOLE)
    for (x, y), value in places(mask).items():
        inside = kept.x <= x < kept.right and kept.y <= y < kept.bottom
        assert value == ({0} if inside else {255})
