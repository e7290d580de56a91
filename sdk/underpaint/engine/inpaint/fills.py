"""What a hole holds before the first step, where the way does not begin from pure noise."""

from __future__ import annotations

import cv2
import numpy as np

from underpaint.engine.pixels.alpha import NEUTRAL, fill_transparent
from underpaint.engine.pixels.color import Floats
from underpaint.engine.pixels.cv import box_blurred, resized
from underpaint.wire.ranges import FILL_MODES

BORDER_EDGE = 512
"""Pixels a side: larger pictures are shrunk for OpenCV's inpainting, whose time grows with the hole."""
BORDER_REACH = 5.0
"""How far around each pixel it looks, in pixels."""
BLUR_SHARE = 0.25
"""Width of the blur as a share of the hole's shorter side."""


def fill_hole(rgb: Floats, mask: Floats, mode: str, seed: int) -> Floats:
    """The picture `(height, width, 3)`, 0.0 … 1.0, with its hole filled as a start for the model.

    `mask` is `(height, width)`, 1.0 is filled, values between mix. `mode` is one of `FILL_MODES`: "keep" (the
    picture as it is), "blur", "neutral" (grey), "noise" (drawn from `seed`), "border" (what is around it goes
    on inwards: Telea's method, https://doi.org/10.1080/10867651.2004.10487596, as OpenCV has it).
    """
    if mode == "keep" or not mode:
        return rgb
    if mode not in FILL_MODES:
        raise ValueError(f"no fill mode {mode!r}")
    if mode == "neutral":
        inside: Floats = np.full_like(rgb, NEUTRAL)
    elif mode == "noise":
        inside = np.random.default_rng(seed).random(rgb.shape, np.float32)
    elif mode == "blur":
        inside = _blurred(rgb, mask)
    else:
        inside = _border(rgb, mask)
    share = mask[..., None]
    return np.asarray(rgb + (inside - rgb) * share, np.float32)


def _blurred(rgb: Floats, mask: Floats) -> Floats:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    shorter = min(rows[-1] - rows[0], columns[-1] - columns[0]) + 1 if rows.size else 1
    side = max(3, round(shorter * BLUR_SHARE) | 1)
    soft = rgb
    for _ in range(3):
        soft = np.stack([box_blurred(soft[..., channel], side) for channel in range(3)], axis=2)
    return soft


def _border(rgb: Floats, mask: Floats) -> Floats:
    height, width = mask.shape
    if mask.min() > 0.0:
        return np.full_like(rgb, NEUTRAL)  # nothing is known that could go on
    # OpenCV begins from the known pixels' colours: those that are half covered shall not count.
    known = np.concatenate([rgb, (mask <= 0.0).astype(np.float32)[..., None]], axis=2)
    shrink = min(1.0, BORDER_EDGE / max(height, width))
    size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
    small = resized(fill_transparent(known), *size, cv2.INTER_AREA) if shrink < 1.0 else rgb
    hole = resized(mask, *size, cv2.INTER_AREA) if shrink < 1.0 else mask
    eight = np.rint(np.clip(small, 0.0, 1.0) * 255.0).astype(np.uint8)
    drawn = cv2.inpaint(eight, (hole > 0.0).astype(np.uint8), BORDER_REACH, cv2.INPAINT_TELEA)
    return resized(drawn.astype(np.float32) / 255.0, width, height, cv2.INTER_LINEAR)
