"""A part of a picture that was read with more around it than is needed, or more than was there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from underpaint.host.coverage import coverage_of
from underpaint.types import MASK_FORMAT, Bounds, Control, Image, RowOrder


def cropped(image: Image, bounds: Bounds) -> Image:
    """The pixels of `image` within `bounds` (canvas pixels, inside of it), rows without gaps.

    A copy, unless all of it is wanted. May be called from any thread.
    """
    if bounds == image.bounds:
        return image
    if bounds.is_empty or not image.bounds.contains(bounds):
        raise ValueError(f"{bounds} is no part of a picture at {image.bounds}")
    pixel, row = image.format.bytes_per_pixel, image.row_bytes
    upwards = image.format.row_order is RowOrder.BOTTOM_UP
    first = image.bounds.bottom - bounds.bottom if upwards else bounds.y - image.y
    start, length = first * row + (bounds.x - image.x) * pixel, bounds.width * pixel
    data = memoryview(image.data).cast("B")
    part = b"".join(data[at : at + length] for at in range(start, start + bounds.height * row, row))
    return replace(
        image, width=bounds.width, height=bounds.height, data=part, x=bounds.x, y=bounds.y, stride=0
    )


def extended(image: Image, bounds: Bounds) -> Image:
    """`image` with its outermost pixels carried on to the edges of `bounds`, which contains it.

    Rows without gaps, a copy. Any format: pixels are repeated, not computed. May be called from any thread.
    """
    if bounds == image.bounds:
        return image
    if image.bounds.is_empty or not bounds.contains(image.bounds):
        raise ValueError(f"a picture at {image.bounds} cannot be carried on to {bounds}")
    pixel, row = image.format.bytes_per_pixel, image.row_bytes
    length = image.width * pixel
    left, right = image.x - bounds.x, bounds.right - image.bounds.right
    data = memoryview(image.data).cast("B")
    rows = []
    for y in range(image.height):
        line = bytes(data[y * row : y * row + length])
        rows.append(line[:pixel] * left + line + line[-pixel:] * right)
    above, below = image.y - bounds.y, bounds.bottom - image.bounds.bottom
    if image.format.row_order is RowOrder.BOTTOM_UP:
        above, below = below, above
    whole = b"".join([rows[0] * above, *rows, rows[-1] * below])
    return replace(
        image, width=bounds.width, height=bounds.height, data=whole, x=bounds.x, y=bounds.y, stride=0
    )


def outside_of(inner: Bounds, bounds: Bounds) -> Image:
    """A mask over `bounds`: 1 everywhere but in `inner`."""
    kept = inner.intersect(bounds)
    full = b"\xff" * bounds.width
    part = b"\xff" * (kept.x - bounds.x) + bytes(kept.width) + b"\xff" * (bounds.right - kept.right)
    rows = [part if kept.y <= y < kept.bottom else full for y in range(bounds.y, bounds.bottom)]
    return Image(bounds.width, bounds.height, b"".join(rows), MASK_FORMAT, bounds.x, bounds.y)


def cropped_controls(controls: Iterable[Control], bounds: Bounds) -> tuple[Control, ...]:
    """The same with `cropped` images, masks as coverage; an image that several share is one image still."""
    parts: dict[int, Image] = {}

    def part(image: Image) -> Image:
        if id(image) not in parts:
            parts[id(image)] = cropped(image, bounds)
        return parts[id(image)]

    return tuple(
        replace(
            control,
            image=part(control.image),
            mask=coverage_of(part(control.mask)) if control.mask is not None else None,
        )
        for control in controls
    )
