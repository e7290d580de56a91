"""Colour matched outside the mask: what the VAE shifted there, it shifted inside too."""

from __future__ import annotations

import numpy as np

from underpaint.engine.pixels.color import Floats
from underpaint.engine.pixels.cv import distances, from_lab, to_lab

ENOUGH_PIXELS = 64
"""With fewer known pixels around the mask, chance would decide."""
RING_PX = 48.0
"""How far around the mask colours are compared, in pixels."""
MAX_GAIN = 1.25
"""Contrast is corrected by at most this factor."""
MAX_SHIFT = 12.0
"""Lightness and chroma are shifted by at most this much (CIE Lab)."""


def match_colors(made: Floats, original: Floats, grown: Floats, known: Floats) -> Floats:
    """The made picture with the colour statistics that the original has around the mask.

    `made` and `original` are sRGB `(height, width, 3)` in 0.0 … 1.0; `grown` is the mask, `known` how
    opaque the original is, both `(height, width)`. Compared where the picture should not have changed.
    """
    outside = grown <= 0.0
    if outside.all() or not outside.any():
        return made
    distance = distances(outside)
    ring = (distance > 0.0) & (distance <= RING_PX) & (known > 0.99)
    if int(ring.sum()) < ENOUGH_PIXELS:
        return made
    lab = to_lab(made)
    wanted = to_lab(original)[ring]
    found = lab[ring]
    mean = found.mean(axis=0)
    # A flat ring has no contrast to compare: the small constant keeps the gain at one there.
    gain = np.clip((wanted.std(axis=0) + 0.5) / (found.std(axis=0) + 0.5), 1 / MAX_GAIN, MAX_GAIN)
    shift = np.clip(wanted.mean(axis=0) - mean, -MAX_SHIFT, MAX_SHIFT)
    matched = (lab - mean) * gain + mean + shift
    return np.asarray(np.clip(from_lab(matched), 0.0, 1.0), np.float32)
