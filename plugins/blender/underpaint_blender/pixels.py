# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's image buffers: read, composed, and written as new datablocks.

Blender hands out floats, the bottom row first, one to four channels. Byte images hold values in their own
colour space (sRGB, mostly) with straight alpha, float images linear values with premultiplied alpha.
"""

from __future__ import annotations

import struct
from dataclasses import replace

import bpy
import numpy as np
from numpy.typing import NDArray

from underpaint.errors import HostError
from underpaint.types import Alpha, Bounds, Channels, ColorSpace, DataType, Image, PixelFormat, RowOrder

Pixels = NDArray[np.float32]
LINEAR = {"Linear Rec.709", "Linear", "scene_linear"}
BYTE_FORMAT = PixelFormat(Channels.RGBA, DataType.F32, Alpha.STRAIGHT, ColorSpace.SRGB, RowOrder.BOTTOM_UP)
FLOAT_FORMAT = replace(BYTE_FORMAT, alpha=Alpha.PREMULTIPLIED, color_space=ColorSpace.LINEAR_REC709)
MAP_FORMAT = PixelFormat(Channels.BGRA, DataType.U8, Alpha.STRAIGHT, ColorSpace.DATA, RowOrder.BOTTOM_UP)
"""Of maps of a material: as a TGA file holds them."""
HEIGHT_FORMAT = replace(BYTE_FORMAT, color_space=ColorSpace.DATA)
"""Of heights: 256 steps would be terraces."""
MAP_FORMATS = {
    "height-map": HEIGHT_FORMAT,
    "normal-map": MAP_FORMAT,
    "roughness-map": MAP_FORMAT,
    "occlusion-map": MAP_FORMAT,
}
"""By what makes the map."""
ENCODED = {"sRGB", "Filmic sRGB", "Non-Color", "Raw"}


def format_of(image: bpy.types.Image) -> PixelFormat:
    """How this image's pixels lie, as four channels. Raises `HostError` for a colour space we cannot name."""
    if image.type == "RENDER_RESULT":
        raise HostError(f"Blender keeps the pixels of {image.name} to itself: save it, then open that image.")
    space = image.colorspace_settings.name
    if image.is_float:
        # Non-Color floats are data that happens to be shown: taken as linear, as Blender's viewer does.
        if space not in LINEAR | {"Non-Color", "Raw"}:
            raise HostError(f"{image.name} is in {space}: set its colour space to Linear Rec.709 first.")
        return FLOAT_FORMAT
    if space in LINEAR:
        return replace(BYTE_FORMAT, color_space=ColorSpace.LINEAR_REC709)
    if space not in ENCODED:
        raise HostError(f"{image.name} is in {space}: set its colour space to sRGB first.")
    return BYTE_FORMAT


def read(image: bpy.types.Image) -> Pixels:
    """All pixels, shape (height, width, channels), the bottom row first.

    Raises `HostError` if there are none.
    """
    width, height = image.size
    if not (width and height and image.channels):
        raise HostError(f"{image.name} has no pixels: is its file missing?")
    flat = np.empty(width * height * image.channels, np.float32)
    image.pixels.foreach_get(flat)
    return flat.reshape(height, width, image.channels)


def rows(height: int, bounds: Bounds) -> slice:
    """The rows of a bottom-up buffer that `bounds`, which count from the top, mean."""
    return slice(height - bounds.bottom, height - bounds.y)


def part(image: bpy.types.Image, bounds: Bounds) -> Image:
    """The pixels within `bounds` as four channels, as Blender has them."""
    pixels = read(image)[rows(image.size[1], bounds), bounds.x : bounds.right]
    rgba = np.ascontiguousarray(four_channels(pixels))
    data = memoryview(rgba).cast("B")
    return Image(bounds.width, bounds.height, data, format_of(image), bounds.x, bounds.y)


def four_channels(pixels: Pixels) -> Pixels:
    """Grey and RGB get the channels they lack; alpha is 1."""
    count = pixels.shape[2]
    if count == 4:
        return pixels
    filled = np.ones((*pixels.shape[:2], 4), np.float32)
    filled[..., :3] = pixels[..., :3] if count == 3 else pixels[..., :1]
    if count == 2:
        filled[..., 3] = pixels[..., 1]
    return filled


def scaled(image: bpy.types.Image, width: int, height: int) -> Pixels:
    """All pixels at another size, RGBA, shape (height, width, 4), by Blender's own scaling."""
    rgba = four_channels(read(image))
    # Floats, or Blender would round; not of the image itself, which must stay as it is.
    draft = bpy.data.images.new("underpaint", *image.size, alpha=True, float_buffer=True)
    try:
        draft.pixels.foreach_set(np.ascontiguousarray(rgba).ravel())
        draft.scale(width, height)
        return read(draft)
    finally:
        bpy.data.images.remove(draft)


def coverage(mask: bpy.types.Image, bounds: Bounds, *, transparent: bool) -> Pixels:
    """How much of each pixel is masked, 0.0 to 1.0, within `bounds`, the bottom row first.

    White repaints; with `transparent`, transparency does.
    """
    pixels = read(mask)[rows(mask.size[1], bounds), bounds.x : bounds.right]
    channels = pixels.shape[2]
    if transparent:
        alpha = pixels[..., 3] if channels == 4 else np.ones(pixels.shape[:2], np.float32)
        return np.subtract(1.0, alpha, dtype=np.float32)
    if channels < 3:
        return pixels[..., 0].copy()
    # Plane by plane: numpy's mean over a short axis takes ten times as long.
    shown = pixels[..., 0] + pixels[..., 1]
    shown += pixels[..., 2]
    shown *= 1.0 / 3.0
    if channels == 4 and format_of(mask).alpha is Alpha.STRAIGHT:
        shown *= pixels[..., 3]
    return shown


def array(image: Image) -> Pixels:
    """A result in one of our formats as an array, without a copy; its rows may have gaps."""
    shape, pixel = (image.height, image.width, 4), image.format.bytes_per_pixel
    return np.ndarray(shape, np.float32, image.data, strides=(image.row_bytes, pixel, pixel // 4))


def laid_over(below: Pixels, above: Pixels, pixel_format: PixelFormat) -> Pixels:
    """`above` over `below`, both RGBA; where `above` is transparent, `below` comes back bit by bit."""
    alpha = above[..., 3:4]
    if below[..., 3].min() >= 1.0 and pixel_format.alpha is Alpha.STRAIGHT:
        # The common case, in three passes; colour times alpha 0 adds nothing, so the rest stays exact.
        merged = above - below
        merged[..., 3] = 0.0
        merged *= alpha
        merged += below
        return merged
    if pixel_format.alpha is Alpha.PREMULTIPLIED:
        merged = above + below * (1.0 - alpha)
    else:
        out = alpha + below[..., 3:4] * (1.0 - alpha)
        colour = above[..., :3] * alpha + below[..., :3] * below[..., 3:4] * (1.0 - alpha)
        merged = np.concatenate([colour / np.maximum(out, 1e-8), out], axis=2)
    return np.where(alpha > 0.0, merged, below).astype(np.float32)


def new_image(
    name: str, pixels: Pixels, *, is_float: bool = False, like: bpy.types.Image | None = None
) -> bpy.types.Image:
    """A new datablock with these RGBA pixels, bottom row first; colour settings as in `like`.

    It is packed: redo, and opening the file again, would otherwise give a black image. `pixels` is used up.
    """
    height, width = pixels.shape[:2]
    if is_float:
        image = bpy.data.images.new(name, width, height, alpha=True, float_buffer=True)
        if like is not None:
            _color_as(image, like)
        image.pixels.foreach_set(np.ascontiguousarray(pixels).ravel())
        image.update()
        image.pack()
        return image
    # Blender's own packing compresses, for seconds at 4096²; the main thread cannot wait for that.
    image = _packed(name, targa(pixels))
    if like is not None:
        _color_as(image, like)
    return image


def new_map(name: str, image: Image) -> bpy.types.Image:
    """A new datablock for numbers that are no colours, in `MAP_FORMAT` or `HEIGHT_FORMAT`."""
    if image.format == HEIGHT_FORMAT:
        made = new_image(name, array(image), is_float=True)
    else:
        made = _packed(name, _targa_header(image.width, image.height) + bytes(image.data))
    made.colorspace_settings.name = "Non-Color"
    return made


def _packed(name: str, data: bytes) -> bpy.types.Image:
    image = bpy.data.images.new(name, 1, 1, alpha=True)
    image.pack(data=data, data_len=len(data))
    # From now on Blender reads the packed file, its size too.
    image.source = "FILE"
    return image


def _color_as(image: bpy.types.Image, like: bpy.types.Image) -> None:
    image.colorspace_settings.name = like.colorspace_settings.name
    image.alpha_mode = like.alpha_mode


def targa(pixels: Pixels) -> bytes:
    """An uncompressed 32 bit TGA file: straight alpha, B,G,R,A, the bottom row first, as Blender has them.

    The one format that Blender reads and that costs neither a checksum nor a flip. `pixels` is used up.
    """
    height, width = pixels.shape[:2]
    np.clip(pixels, 0.0, 1.0, out=pixels)
    np.multiply(pixels, 255.0, out=pixels)
    np.add(pixels, 0.5, out=pixels)
    bgra = np.empty((height, width, 4), np.uint8)
    for here, there in enumerate((2, 1, 0, 3)):
        bgra[..., here] = pixels[..., there]
    return _targa_header(width, height) + bgra.tobytes()


def _targa_header(width: int, height: int) -> bytes:
    # Image type 2: true colour, uncompressed; 8 bits of alpha, origin bottom left.
    return struct.pack("<BBBHHBHHHHBB", 0, 0, 2, 0, 0, 0, 0, 0, width, height, 32, 8)
