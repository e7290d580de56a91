# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading and writing pixels, with no more of the image touched than asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from gi.repository import Gegl, Gimp

from underpaint.types import MASK_FORMAT, Bounds, ColorSpace, DataType, Image, PixelFormat

from .formats import babl_name, layer_type, new_image_kind, without_alpha

_PLAIN_MODES = (Gimp.LayerMode.NORMAL, Gimp.LayerMode.NORMAL_LEGACY)


def merged(image: Any, bounds: Bounds, pixels: PixelFormat) -> Image:
    """The visible picture within `bounds`.

    GIMP does not hand out its projection. Where a single plain layer shows, its pixels are the picture; else
    GIMP projects a copy whose canvas is `bounds`. Copies share tiles with the original, so that neither time
    nor memory is spent on what lies outside `bounds`.
    """
    shown = [layer for layer in image.get_layers() if layer.get_visible() and _touches(layer, bounds)]
    if not shown:
        return _image(bytes(bounds.width * bounds.height * pixels.bytes_per_pixel), bounds, pixels)
    if len(shown) == 1 and _is_plain(shown[0]):
        return layer_pixels(shown[0], bounds, pixels)
    copy = image.duplicate()
    try:
        return _projection(copy, bounds, pixels)
    finally:
        copy.delete()


def layer_pixels(layer: Any, bounds: Bounds, pixels: PixelFormat) -> Image:
    """One layer's own pixels, or a group's merged ones, transparent where it has none."""
    if layer.is_group():
        return _group_pixels(layer, bounds, pixels)
    place = layer_bounds(layer)
    if not layer.has_alpha() and place.contains(bounds):
        # As they lie: to add an alpha channel, babl looks for a fast way for a second at its first use.
        pixels = without_alpha(pixels)
    area = Bounds(bounds.x - place.x, bounds.y - place.y, bounds.width, bounds.height)
    return _image(_get(layer, area, pixels), bounds, pixels)


def layer_bounds(layer: Any) -> Bounds:
    """Where a layer lies on the canvas."""
    _, left, top = layer.get_offsets()
    return Bounds(left, top, layer.get_width(), layer.get_height())


def selection(image: Any, bounds: Bounds) -> Image:
    """Coverage of the selection within `bounds`, soft edges included."""
    return _image(_get(image.get_selection(), bounds, MASK_FORMAT), bounds, MASK_FORMAT)


def mask(drawable: Any, bounds: Bounds) -> Image:
    """The grey values of a channel or a layer's mask within `bounds`, 0 where it does not reach."""
    _, left, top = drawable.get_offsets()
    area = Bounds(bounds.x - left, bounds.y - top, bounds.width, bounds.height)
    return _image(_get(drawable, area, MASK_FORMAT), bounds, MASK_FORMAT)


def selection_bounds(image: Any) -> Bounds | None:
    """Tight bounds of the selection; None if nothing is selected."""
    _, some, left, top, right, bottom = Gimp.Selection.bounds(image)
    return Bounds(left, top, right - left, bottom - top) if some else None


def new_layer(image: Any, picture: Image, name: str) -> Any:
    """A layer with these pixels at their place, not yet part of `image`."""
    layer = Gimp.Layer.new(
        image,
        name,
        picture.width,
        picture.height,
        layer_type(image),
        100.0,
        image.get_default_new_layer_mode(),
    )
    if picture.format.color_space is ColorSpace.SRGB and picture.format.data_type in (
        DataType.U8,
        DataType.U16,
    ):
        # GIMP's Normal mode mixes in linear light; the worker, and every other host, mixes as it is encoded.
        # Not for floats: on the way there and back they would change in their last bits everywhere.
        layer.set_composite_space(Gimp.LayerColorSpace.RGB_NON_LINEAR)
    buffer = layer.get_buffer()
    area = Gegl.Rectangle.new(0, 0, picture.width, picture.height)
    buffer.set(area, babl_name(picture.format), _tight(picture))
    buffer.flush()
    layer.update(0, 0, picture.width, picture.height)
    layer.set_offsets(picture.x, picture.y)
    return layer


def new_image(picture: Image, name: str) -> Any:
    """The layer of a new image of the picture's size, shown where GIMP has a window."""
    base, precision = new_image_kind(picture.format)
    image = Gimp.Image.new_with_precision(picture.width, picture.height, base, precision)
    image.undo_disable()
    layer = new_layer(image, replace(picture, x=0, y=0), name)
    image.insert_layer(layer, None, 0)
    image.undo_enable()
    if Gimp.default_display() is not None:
        Gimp.Display.new(image)
    return layer


def _projection(copy: Any, bounds: Bounds, pixels: PixelFormat) -> Image:
    """What a copy of an image shows within `bounds`, which need not lie inside the canvas."""
    copy.undo_disable()
    copy.resize(bounds.width, bounds.height, -bounds.x, -bounds.y)
    seen = Gimp.Layer.new_from_visible(copy, copy, "seen")
    try:
        picture = layer_pixels(seen, Bounds(0, 0, bounds.width, bounds.height), pixels)
    finally:
        seen.delete()
    return replace(picture, x=bounds.x, y=bounds.y)


def _group_pixels(group: Any, bounds: Bounds, pixels: PixelFormat) -> Image:
    """A group alone, at full opacity, in a copy: to read tiles of a pass-through group ends the process."""
    image = group.get_image()
    path = [image.get_item_position(item) for item in _with_parents(group)]  # innermost first
    copy = image.duplicate()
    try:
        layers = copy.get_layers()
        for depth, position in enumerate(reversed(path)):
            for layer in layers:
                layer.set_visible(False)
            chosen = layers[position]
            chosen.set_visible(True)
            chosen.set_opacity(100.0)
            chosen.set_mode(Gimp.LayerMode.NORMAL)
            if chosen.get_mask() is not None:
                chosen.remove_mask(Gimp.MaskApplyMode.DISCARD)
            layers = chosen.get_children() if depth < len(path) - 1 else []
        return _projection(copy, bounds, pixels)
    finally:
        copy.delete()


def _touches(layer: Any, bounds: Bounds) -> bool:
    return not layer_bounds(layer).intersect(bounds).is_empty


def _is_plain(layer: Any) -> bool:
    return bool(
        layer.get_opacity() == 100.0
        and layer.get_mode() in _PLAIN_MODES
        and layer.get_mask() is None
        and not layer.get_filters()
        and not layer.is_floating_sel()
    )


def _with_parents(item: Any) -> Iterator[Any]:
    while item is not None:
        yield item
        item = item.get_parent()


def _get(drawable: Any, area: Bounds, pixels: PixelFormat) -> bytes:
    rectangle = Gegl.Rectangle.new(area.x, area.y, area.width, area.height)
    # NONE: zeros, and so transparency, beyond the drawable's edges.
    data: bytes = drawable.get_buffer().get(rectangle, 1.0, babl_name(pixels), Gegl.AbyssPolicy.NONE)
    return data


def _image(data: bytes, bounds: Bounds, pixels: PixelFormat) -> Image:
    return Image(bounds.width, bounds.height, data, pixels, bounds.x, bounds.y)


def _tight(picture: Image) -> bytes:
    """The rows without gaps; GEGL takes nothing else."""
    wanted = picture.width * picture.format.bytes_per_pixel
    data = memoryview(picture.data).cast("B")
    if picture.row_bytes == wanted:
        return bytes(data[: picture.size_bytes])
    starts = range(0, picture.size_bytes, picture.row_bytes)
    return b"".join(data[start : start + wanted] for start in starts)
