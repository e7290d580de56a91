"""What a hole holds before the first step, where the way does not begin from pure noise."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from underpaint.engine.pixels.alpha import NEUTRAL, fill_transparent
from underpaint.engine.pixels.color import Floats
from underpaint.engine.pixels.cv import box_blurred, resized, shifted
from underpaint.wire.ranges import FILL_MODES

BORDER_EDGE = 512
"""Pixels a side: larger pictures are shrunk for OpenCV's inpainting, whose time grows with the hole."""
CONTINUE_EDGE = 256
"""The same where pieces are laid into the hole: about 2 s at that size, 15 s at twice as much."""
DETAIL_LOST = 0.8
"""Strength above which a model takes over masses alone."""
BORDER_REACH = 5.0
"""How far around each pixel it looks, in pixels."""
BLUR_SHARE = 0.25
"""Width of the blur as a share of the hole's shorter side."""


def fill_hole(rgb: Floats, mask: Floats, mode: str, seed: int, strength: float = 0.0) -> Floats:
    """The picture `(height, width, 3)`, 0.0 … 1.0, with its hole filled as a start for the model.

    `mask` is `(height, width)`, 1.0 is filled, values between mix. `mode` is one of `FILL_MODES`: "keep" (the
    picture as it is), "blur", "neutral" (grey), "noise" (drawn from `seed`), "border" (what is around it goes
    on inwards: Telea's method, https://doi.org/10.1080/10867651.2004.10487596, as OpenCV has it), "continue"
    (pieces of what is around it are laid into it, see `shifted`). `strength`, 0.0 … 1.0, is how much will
    be changed: what no detail will be left of is drawn small.
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
    elif mode == "border":
        inside = _border(rgb, mask)
    else:
        inside = _drawn_small(rgb, mask, CONTINUE_EDGE // (2 if strength > DETAIL_LOST else 1), shifted)
    share = mask[..., None]
    return np.asarray(rgb + (inside - rgb) * share, np.float32)


def kept_detail(mode: str, strength: float) -> float:
    """How much of what encoding and decoding lose of a filled hole is to come back in the end, 0.0 … 1.0.

    What "continue" carries on is as sharp as what is around it, and below half strength a model adds nothing
    finer: all of it comes back up to a quarter, none from a half on. By eye.
    """
    return min(1.0, max(0.0, 2.0 - 4.0 * strength)) if mode == "continue" else 0.0


def _blurred(rgb: Floats, mask: Floats) -> Floats:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    shorter = min(rows[-1] - rows[0], columns[-1] - columns[0]) + 1 if rows.size else 1
    side = max(3, round(shorter * BLUR_SHARE) | 1)
    soft = rgb
    for _ in range(3):
        soft = np.stack([box_blurred(soft[..., channel], side) for channel in range(3)], axis=2)
    return soft


def _border(rgb: Floats, mask: Floats) -> Floats:
    def drawn(picture: npt.NDArray[np.uint8], hole: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
        inpainted = cv2.inpaint(picture, hole.astype(np.uint8), BORDER_REACH, cv2.INPAINT_TELEA)
        return np.asarray(inpainted, np.uint8)

    return _drawn_small(rgb, mask, BORDER_EDGE, drawn)


def _drawn_small(
    rgb: Floats,
    mask: Floats,
    edge: int,
    draw: Callable[[npt.NDArray[np.uint8], npt.NDArray[np.bool_]], npt.NDArray[np.uint8]],
) -> Floats:
    """What `draw` makes of the picture, at most `edge` pixels a side, and of what its mask touches."""
    height, width = mask.shape
    if mask.min() > 0.0:
        return np.full_like(rgb, NEUTRAL)  # nothing is known that could go on
    # OpenCV begins from the known pixels' colours: those that are half covered shall not count.
    known = np.concatenate([rgb, (mask <= 0.0).astype(np.float32)[..., None]], axis=2)
    shrink = min(1.0, edge / max(height, width))
    size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
    small = resized(fill_transparent(known), *size, cv2.INTER_AREA) if shrink < 1.0 else rgb
    hole = resized(mask, *size, cv2.INTER_AREA) if shrink < 1.0 else mask
    eight = np.rint(np.clip(small, 0.0, 1.0) * 255.0).astype(np.uint8)
    return resized(draw(eight, hole > 0.0).astype(np.float32) / 255.0, width, height, cv2.INTER_LINEAR)
