"""A denoised tile that still shows what it was made from: the denoiser adds what is finer, and no more."""

from __future__ import annotations

from typing import Any, cast

import cv2
import numpy as np

from underpaint.engine.pixels.color import Floats

_cv: Any = cv2
REACH = 1.4
"""Pixels of the source that are held together at a strength of 0.5, as a Gaussian's sigma."""
_WIDEST = 4
"""The blur is no wider than this part of the tile."""


def held(made: Floats, given: Floats, strength: float, factor: float, closed: tuple[bool, bool]) -> Floats:
    """`made` with the coarse part of `given`, both `(height, width, 3)` in 0.0 … 1.0.

    Coarse is what a Gaussian of `REACH * factor * strength / (1 - strength)` pixels leaves: at low strength
    all that the source resolves, so that an autoencoder's losses and a guess at another picture do not
    replace it; more is the denoiser's own with more strength, and at 1.0 all. `factor`: how much larger than
    the source the picture is. `closed`: whether left and right, and top and bottom, meet in this tile.
    """
    if strength >= 1.0:
        return made
    sigma = REACH * factor * strength / (1.0 - strength)
    sigma = min(sigma, min(made.shape[:2]) / _WIDEST)
    if sigma <= 0.0:
        return given
    reach = min(int(np.ceil(4.0 * sigma)), *made.shape[:2])
    across, down = (reach if meets else 0 for meets in closed)
    difference = np.pad(given - made, [(down, down), (across, across), (0, 0)], mode="wrap")
    coarse = cast(Floats, _cv.GaussianBlur(difference, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101))
    height, width = made.shape[:2]
    inside = coarse[down : down + height, across : across + width]
    return np.asarray(np.clip(made + inside, 0.0, 1.0), np.float32)
