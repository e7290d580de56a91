"""What a model sees where a picture is transparent."""

from __future__ import annotations

import cv2
import numpy as np

from underpaint.engine.pixels.color import Floats
from underpaint.engine.pixels.cv import resized

NEUTRAL = 0.5
"""Where nothing at all is visible: a grey that pulls the model nowhere."""


def fill_transparent(rgba: Floats) -> Floats:
    """Straight RGBA as opaque RGB `(height, width, 3)`, clipped to 0.0 … 1.0.

    Transparent pixels take the colours of the visible ones nearby, so that an empty layer's black never
    enters a picture. Halves the picture until every pixel has a visible neighbour, then fills on the way
    back: time grows with the area, whatever the hole.
    """
    color = np.clip(np.nan_to_num(rgba[..., :3], nan=0.0), 0.0, 1.0)
    alpha = np.clip(rgba[..., 3:], 0.0, 1.0)
    if alpha.min() >= 1.0:
        return color
    if alpha.max() <= 0.0:
        return np.full_like(color, NEUTRAL)
    weighted, weight = color * alpha, alpha
    levels = [(weighted, weight)]
    while min(weight.shape[:2]) > 1 and weight.min() < 1.0:
        width, height = (weight.shape[1] + 1) // 2, (weight.shape[0] + 1) // 2
        weighted = resized(weighted, width, height, cv2.INTER_AREA)
        weight = resized(weight, width, height, cv2.INTER_AREA)
        # A pixel that is half covered knows its colour as well as an opaque one.
        scale = np.minimum(1.0, weight * 2.0) / np.maximum(weight, 1e-6)
        weighted, weight = weighted * scale, weight * scale
        levels.append((weighted, weight))
    mean = weighted.sum((0, 1)) / max(float(weight.sum()), 1e-6)
    filled: Floats = np.broadcast_to(mean.astype(np.float32), weighted.shape)
    for weighted, weight in reversed(levels):
        below = resized(filled, weight.shape[1], weight.shape[0], cv2.INTER_LINEAR)
        filled = weighted + (1.0 - weight) * below
    return np.asarray(np.clip(filled, 0.0, 1.0), np.float32)
