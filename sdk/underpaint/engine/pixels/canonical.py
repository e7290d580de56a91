"""Between the layouts of hosts and the engine's own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from underpaint.engine.pixels.color import Floats, luminance, to_linear, to_srgb
from underpaint.types import Alpha, Buffer, Channels, ColorSpace, DataType, PixelFormat, RowOrder

_NUMPY: dict[DataType, type[np.generic]] = {
    DataType.U8: np.uint8,
    DataType.U16: np.uint16,
    DataType.F16: np.float16,
    DataType.F32: np.float32,
}
_MAXIMUM = {DataType.U8: 255.0, DataType.U16: 65535.0}


@dataclass(frozen=True)
class Raster:
    """Pixels as they lie in memory: `samples` is a view `(height, width, channels)`, first row first."""

    samples: npt.NDArray[np.generic]
    format: PixelFormat

    @classmethod
    def over(cls, data: Buffer, format: PixelFormat, width: int, height: int, stride: int = 0) -> Raster:
        """Looks at a buffer without copying; `stride` in bytes, 0 for rows without a gap."""
        dtype = np.dtype(_NUMPY[format.data_type])
        pixel = format.bytes_per_pixel
        samples: npt.NDArray[np.generic] = np.ndarray(
            (height, width, format.channels.count),
            dtype,
            memoryview(data).cast("B"),
            strides=(stride or width * pixel, pixel, dtype.itemsize),
        )
        return cls(samples, format)

    @property
    def width(self) -> int:
        """Pixels a row."""
        return int(self.samples.shape[1])

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.samples.shape[0])

    def top_down(self) -> npt.NDArray[np.generic]:
        """The samples with the top row first; a view."""
        return self.samples[::-1] if self.format.row_order is RowOrder.BOTTOM_UP else self.samples


def canonicalise(raster: Raster) -> Floats:
    """Any raster as a new array `(height, width, 4)`: float32 RGBA, straight alpha, sRGB, top row first.

    Integers become 0.0 … 1.0; floats keep what lies outside. Colour under alpha 0.0 is kept where alpha is
    straight. `ColorSpace.DATA` is taken for sRGB.
    """
    values = _to_float(raster.top_down(), raster.format.data_type)
    color, alpha = _split(values, raster.format.channels)
    if raster.format.alpha is Alpha.PREMULTIPLIED:
        color = np.divide(color, alpha, out=np.zeros_like(color), where=alpha > 0)
    if raster.format.color_space is ColorSpace.LINEAR_REC709:
        color = to_srgb(color)
    return np.concatenate([color, alpha], axis=2)


def coverage(raster: Raster) -> Floats:
    """A mask as `(height, width)` float32 in 0.0 … 1.0, top row first.

    One channel is coverage as it is. Where there is alpha, it scales what the colour channels say.
    """
    values = canonicalise(
        Raster(
            raster.samples,
            PixelFormat(
                raster.format.channels,
                raster.format.data_type,
                raster.format.alpha,
                ColorSpace.DATA,
                raster.format.row_order,
            ),
        )
    )
    mask = values[..., 0] if raster.format.channels.count <= 2 else values[..., :3].mean(axis=2)
    return np.asarray(np.nan_to_num(np.clip(mask * values[..., 3], 0.0, 1.0), nan=0.0), np.float32)


def encode(rgba: Floats, format: PixelFormat) -> npt.NDArray[np.generic]:
    """The inverse of `canonicalise`: a contiguous array `(height, width, channels)`, first row first.

    Integers are rounded to nearest and clipped. Without an alpha channel alpha is dropped, colour stays.
    """
    color, alpha = rgba[..., :3], rgba[..., 3:]
    count = format.channels.count
    if count <= 2:
        color = luminance(color)
    elif format.channels in (Channels.BGR, Channels.BGRA):
        color = color[..., ::-1]
    if format.color_space is ColorSpace.LINEAR_REC709:
        color = to_linear(color)
    if format.alpha is Alpha.PREMULTIPLIED:
        color = color * alpha
    values = np.concatenate([color, alpha], axis=2) if format.channels.has_alpha else color
    if format.row_order is RowOrder.BOTTOM_UP:
        values = values[::-1]
    return np.ascontiguousarray(_from_float(values, format.data_type))


def _split(values: Floats, channels: Channels) -> tuple[Floats, Floats]:
    """Colour `(…, 3)` in RGB order and alpha `(…, 1)`."""
    height, width, count = values.shape
    alpha = values[..., -1:] if channels.has_alpha else np.ones((height, width, 1), np.float32)
    if count <= 2:
        return np.repeat(values[..., :1], 3, axis=2), alpha
    color = values[..., :3]
    return (color[..., ::-1] if channels in (Channels.BGR, Channels.BGRA) else color), alpha


def _to_float(samples: npt.NDArray[np.generic], data_type: DataType) -> Floats:
    values = samples.astype(np.float32)
    return values / np.float32(_MAXIMUM[data_type]) if data_type in _MAXIMUM else values


def _from_float(values: Floats, data_type: DataType) -> npt.NDArray[np.generic]:
    if data_type not in _MAXIMUM:
        limit = 65504.0 if data_type is DataType.F16 else float(np.finfo(np.float32).max)
        return np.asarray(np.clip(values, -limit, limit), _NUMPY[data_type])
    scaled = np.clip(np.nan_to_num(values, nan=0.0), 0.0, 1.0) * np.float32(_MAXIMUM[data_type])
    return np.asarray(np.rint(scaled), _NUMPY[data_type])
