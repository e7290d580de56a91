# SPDX-License-Identifier: GPL-3.0-or-later
"""GIMP's precisions as pixel formats, and pixel formats as babl's names.

babl ends the process when it meets a name that it does not know, so every name is made here, from closed
tables, and every combination is run in the real host by the tests. Primes mean gamma-encoded. A name without
a colour space means sRGB primaries: GEGL converts from and to the image's own profile.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gi.repository import Gimp

from underpaint.errors import HostError
from underpaint.types import Alpha, Channels, ColorSpace, DataType, PixelFormat

_P = Gimp.Precision
# 32-bit integers and doubles have no counterpart on the wire; float keeps 24 bits of them.
# The first two of each are those of a new image.
_TYPES = {
    DataType.U8: (_P.U8_LINEAR, _P.U8_NON_LINEAR, _P.U8_PERCEPTUAL),
    DataType.U16: (_P.U16_LINEAR, _P.U16_NON_LINEAR, _P.U16_PERCEPTUAL),
    DataType.F16: (_P.HALF_LINEAR, _P.HALF_NON_LINEAR, _P.HALF_PERCEPTUAL),
    DataType.F32: (
        *(_P.FLOAT_LINEAR, _P.FLOAT_NON_LINEAR, _P.FLOAT_PERCEPTUAL),
        *(_P.U32_LINEAR, _P.U32_NON_LINEAR, _P.U32_PERCEPTUAL),
        *(_P.DOUBLE_LINEAR, _P.DOUBLE_NON_LINEAR, _P.DOUBLE_PERCEPTUAL),
    ),
}
_PRECISIONS = {precision: data_type for data_type, group in _TYPES.items() for precision in group}
_LINEAR = {_P.U8_LINEAR, _P.U16_LINEAR, _P.U32_LINEAR, _P.HALF_LINEAR, _P.FLOAT_LINEAR, _P.DOUBLE_LINEAR}

_BABL_TYPES = {DataType.U8: "u8", DataType.U16: "u16", DataType.F16: "half", DataType.F32: "float"}
_BABL_MODELS = {
    (Channels.GRAY, ColorSpace.SRGB): "Y'",
    (Channels.GRAY, ColorSpace.LINEAR_REC709): "Y",
    (Channels.GRAY, ColorSpace.DATA): "Y",
    (Channels.GRAY_ALPHA, ColorSpace.SRGB): "Y'A",
    (Channels.GRAY_ALPHA, ColorSpace.LINEAR_REC709): "YA",
    (Channels.RGB, ColorSpace.SRGB): "R'G'B'",
    (Channels.RGB, ColorSpace.LINEAR_REC709): "RGB",
    (Channels.RGBA, ColorSpace.SRGB): "R'G'B'A",
    (Channels.RGBA, ColorSpace.LINEAR_REC709): "RGBA",
}


def format_of(image: Any) -> PixelFormat:
    """How pixels of `image` travel: its own precision, with alpha. Raises `HostError` for indexed images."""
    base = image.get_base_type()
    if base == Gimp.ImageBaseType.INDEXED:
        raise HostError(
            f"“{image.get_name()}” is an indexed image, which holds only the colours of its palette: choose "
            "Image ▸ Mode ▸ RGB, then try again."
        )
    precision = image.get_precision()
    if precision not in _PRECISIONS:
        raise HostError(
            f"“{image.get_name()}” has a precision that this plug-in does not know: choose "
            "Image ▸ Encoding ▸ 8 bit integer, then try again."
        )
    return PixelFormat(
        Channels.GRAY_ALPHA if base == Gimp.ImageBaseType.GRAY else Channels.RGBA,
        _PRECISIONS[precision],
        Alpha.STRAIGHT,
        ColorSpace.LINEAR_REC709 if precision in _LINEAR else ColorSpace.SRGB,
    )


def without_alpha(pixels: PixelFormat) -> PixelFormat:
    """The same format for a layer that has no alpha channel."""
    channels = Channels.GRAY if pixels.channels is Channels.GRAY_ALPHA else Channels.RGB
    return replace(pixels, channels=channels, alpha=Alpha.NONE)


def babl_name(pixels: PixelFormat) -> str:
    """babl's name of a format. Raises `HostError` for those that GIMP cannot take as they are."""
    model = _BABL_MODELS.get((pixels.channels, pixels.color_space))
    if model is None or pixels.alpha is Alpha.PREMULTIPLIED:
        raise HostError(
            f"GIMP cannot take pixels as {pixels.channels.value} {pixels.color_space.value} "
            f"{pixels.alpha.value}: this is a fault of the underpaint plug-in, please report it."
        )
    return f"{model} {_BABL_TYPES[pixels.data_type]}"


def new_image_kind(pixels: PixelFormat) -> tuple[Any, Any]:
    """Base type and precision of a new image that holds such pixels without a loss."""
    linear, encoded = _TYPES[pixels.data_type][:2]
    gray = pixels.channels in (Channels.GRAY, Channels.GRAY_ALPHA)
    base = Gimp.ImageBaseType.GRAY if gray else Gimp.ImageBaseType.RGB
    return base, encoded if pixels.color_space is ColorSpace.SRGB else linear


def layer_type(image: Any) -> Any:
    """The type of a new layer with alpha in `image`."""
    gray = image.get_base_type() == Gimp.ImageBaseType.GRAY
    return Gimp.ImageType.GRAYA_IMAGE if gray else Gimp.ImageType.RGBA_IMAGE
