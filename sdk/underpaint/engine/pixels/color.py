"""The sRGB transfer curve (IEC 61966-2-1), extended oddly below 0.0 and as it runs above 1.0.

Both directions work on float32 arrays of any shape; what hosts keep outside 0.0 … 1.0 survives.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float32]

LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)
"""Rec.709 weights of linear red, green and blue in luminance."""


def to_linear(encoded: Floats) -> Floats:
    """sRGB values as linear light."""
    size = np.abs(encoded)
    linear = np.where(size <= 0.04045, size / 12.92, ((size + 0.055) / 1.055) ** 2.4)
    return np.copysign(linear, encoded).astype(np.float32)


def to_srgb(linear: Floats) -> Floats:
    """Linear light as sRGB values."""
    size = np.abs(linear)
    encoded = np.where(size <= 0.0031308, size * 12.92, 1.055 * size ** (1 / 2.4) - 0.055)
    return np.copysign(encoded, linear).astype(np.float32)


def luminance(rgb: Floats) -> Floats:
    """sRGB colours `(…, 3)` as sRGB grey `(…, 1)` of the same luminance."""
    grey = to_srgb((to_linear(rgb) @ LUMA)[..., None])
    # Grey that came in as three equal channels goes out unchanged, to the last bit.
    equal = (rgb[..., 0] == rgb[..., 1]) & (rgb[..., 1] == rgb[..., 2])
    return np.where(equal[..., None], rgb[..., :1], grey)
