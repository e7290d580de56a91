"""A part of a picture that was read with more around it than is needed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from underpaint.types import Bounds, Control, Image, RowOrder


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


def cropped_controls(controls: Iterable[Control], bounds: Bounds) -> tuple[Control, ...]:
    """The same with `cropped` images; an image that several share is one image still."""
    parts: dict[int, Image] = {}
    found = []
    for control in controls:
        if id(control.image) not in parts:
            parts[id(control.image)] = cropped(control.image, bounds)
        found.append(replace(control, image=parts[id(control.image)]))
    return tuple(found)
