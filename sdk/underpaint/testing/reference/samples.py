"""Pixels as numpy arrays: views over what others lent, and number formats in and out.

`Samples` are arrays `(height, width, 4)`: red, green, blue, straight alpha; the top row first; u8, u16, f16
or f32. Integers run from 0 to their type's maximum, floats from 0.0 to 1.0, and beyond where a host keeps
what lies outside.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from underpaint.types import Bounds, ColorSpace, DataType, Image, PixelFormat, RowOrder

Samples: TypeAlias = npt.NDArray[Any]
Coverage: TypeAlias = npt.NDArray[np.uint8]
Floats: TypeAlias = npt.NDArray[np.floating]

DTYPES: Final[dict[DataType, np.dtype[Any]]] = {
    DataType.U8: np.dtype(np.uint8),
    DataType.U16: np.dtype(np.uint16),
    DataType.F16: np.dtype(np.float16),
    DataType.F32: np.dtype(np.float32),
}


def top_of(dtype: np.dtype[Any]) -> float:
    """What stands for 1.0."""
    return float(np.iinfo(dtype).max) if dtype.kind == "u" else 1.0


def to_floats(samples: Samples) -> Floats:
    """1.0 for full; in an accuracy that brings every value of the format back unchanged."""
    wide: Any = np.float32 if samples.dtype in (np.uint8, np.float16) else np.float64
    return np.asarray(samples.astype(wide) / wide(top_of(samples.dtype)), wide)


def from_floats(values: Floats, dtype: np.dtype[Any]) -> Samples:
    """The inverse; integers are rounded to nearest and clipped, a NaN becomes 0."""
    if dtype.kind == "f":
        return values.astype(dtype)
    top = top_of(dtype)
    return np.asarray(np.rint(np.clip(np.nan_to_num(values, nan=0.0), 0.0, 1.0) * top), dtype)


def view_of(image: Image) -> Samples:
    """An image's samples `(height, width, channels)`, top row first, without a copy."""
    dtype = DTYPES[image.format.data_type]
    samples: Samples = np.ndarray(
        (image.height, image.width, image.format.channels.count),
        dtype,
        memoryview(image.data).cast("B"),
        strides=(image.row_bytes, image.format.bytes_per_pixel, dtype.itemsize),
    )
    return samples[::-1] if image.format.row_order is RowOrder.BOTTOM_UP else samples


def image_of(samples: Samples, bounds: Bounds, format: PixelFormat) -> Image:
    """Samples in the format's own channel order and data type as an image at `bounds`; copies once."""
    return Image(bounds.width, bounds.height, samples.tobytes(), format, bounds.x, bounds.y)


def as_srgb16(samples: Samples, color_space: ColorSpace) -> npt.NDArray[np.uint16]:
    """What a PNG holds of any document: linear light is encoded, floats are clipped to 0.0 … 1.0."""
    values = np.clip(np.nan_to_num(to_floats(samples), nan=0.0), 0.0, 1.0)
    if color_space is ColorSpace.LINEAR_REC709:
        color = values[..., :3]
        # IEC 61966-2-1; alpha is coverage and has no curve.
        curved = np.where(color <= 0.0031308, color * 12.92, 1.055 * color ** (1 / 2.4) - 0.055)
        values = np.concatenate([curved, values[..., 3:]], axis=2)
    return np.asarray(from_floats(values, DTYPES[DataType.U16]), np.uint16)


def deepened(samples: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint16]:
    """8 bits as 16: 255 becomes 65535, exactly."""
    return samples.astype(np.uint16) * np.uint16(257)


def flattened(samples: Samples) -> npt.NDArray[np.uint8]:
    """u8 or u16 as u8, rounded to nearest."""
    if samples.dtype == np.uint8:
        return np.asarray(samples, np.uint8)
    return np.asarray((samples.astype(np.uint32) + 128) // 257, np.uint8)


def inside(part: Bounds, of: Bounds) -> tuple[slice, slice]:
    """Rows and columns of `part` in an array that covers `of`."""
    return slice(part.y - of.y, part.bottom - of.y), slice(part.x - of.x, part.right - of.x)
