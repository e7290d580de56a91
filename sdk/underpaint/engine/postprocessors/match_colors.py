"""A fill in the colours of what lies around it: for a model that knows the shape and misses the tone.

The engine itself only undoes what the VAE shifted, by comparing known pixels with themselves. This goes
further: the new pixels get the mean and, within limits, the contrast of the ring around the hole.
"""

from __future__ import annotations

import numpy as np

from underpaint.engine.pixels.color import Floats
from underpaint.engine.pixels.cv import distances, from_lab, to_lab
from underpaint.engine.postprocessing import Scene

RING_PX = 64.0
"""How far around the hole its surroundings reach, in pixels."""
ENOUGH_PIXELS = 64
"""With fewer known pixels around the hole, chance would decide."""
MAX_GAIN = 1.5
"""Contrast is changed by at most this factor."""
OPAQUE = 0.99


def match_colors(picture: Floats, scene: Scene) -> Floats:
    """The picture with Lab statistics inside the hole as they are around it; unchanged without a hole."""
    if scene.mask is None or scene.source is None or scene.known is None:
        return picture
    outside = scene.mask <= 0.0
    if outside.all() or not outside.any():
        return picture
    distance = distances(outside)
    ring = (distance > 0.0) & (distance <= RING_PX) & (scene.known >= OPAQUE)
    if int(ring.sum()) < ENOUGH_PIXELS:
        return picture
    scene.check()
    lab = to_lab(picture)
    # Pixels that show half count half.
    weight = scene.mask[~outside][:, None]
    inside = lab[~outside]
    mean = (inside * weight).sum(axis=0) / weight.sum()
    spread = np.sqrt((((inside - mean) ** 2) * weight).sum(axis=0) / weight.sum())
    wanted = to_lab(scene.source)[ring]
    # A flat fill has no contrast to raise: the constant keeps the gain near one there.
    gain = np.clip((wanted.std(axis=0) + 0.5) / (spread + 0.5), 1.0 / MAX_GAIN, MAX_GAIN)
    matched = (lab - mean) * gain + wanted.mean(axis=0)
    return np.asarray(np.clip(from_lab(matched), 0.0, 1.0), np.float32)
