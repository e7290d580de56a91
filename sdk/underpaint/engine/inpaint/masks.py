"""Two masks from one selection: a wide one for the model, a narrower one for the picture.

All masks are float32 arrays `(height, width)` in 0.0 … 1.0; 1.0 is repainted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from underpaint.engine.pixels.color import Floats
from underpaint.engine.pixels.cv import box_blurred, distances, eroded, islands
from underpaint.geometry import MaskPlan
from underpaint.types import Bounds

LEVELS = 16
"""Steps in which a soft selection's coverage is carried outwards; inside it stays exact."""


@dataclass(frozen=True)
class MaskSet:
    """The masks of one job, at the context's size."""

    grown: Floats
    """The selection, dilated. Where it is 0.0, pixels never change."""
    denoise: Floats
    """What the model repaints: the grown selection, blurred."""
    composite: Floats
    """How much of the new picture shows: 0.0 at the grown selection's rim, rising inwards."""


def mask_bounds(mask: Floats, x: int = 0, y: int = 0) -> Bounds:
    """Tight bounds of what is above 0.0, with the mask's corner at `x`, `y`; empty if nothing is."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        return Bounds(x, y, 0, 0)
    left, top = int(columns[0]), int(rows[0])
    return Bounds(x + left, y + top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1)


def prepare_masks(mask: Floats, plan: MaskPlan) -> MaskSet:
    """Grows and softens a selection as planned. Time grows with the area, not with the radii."""
    grown = _dilate(mask, plan.grow)
    # The edge of the selection itself is repainted as wholly as its middle.
    denoise = np.maximum(_blur(grown, plan.feather), mask)
    return MaskSet(grown, denoise, _ramp(grown, plan.feather))


def is_soft(mask: Floats, edge: int) -> bool:
    """Whether a mask is grey over more than an edge `edge` pixels wide: grey is then meant as such."""
    return bool(eroded((mask > 0.0) & (mask < 1.0), edge + 1).any())


def _dilate(mask: Floats, radius: float) -> Floats:
    """Every pixel takes the largest coverage within `radius`."""
    if radius < 1.0:
        return mask
    if ((mask == 0.0) | (mask == 1.0)).all():
        thresholds: npt.NDArray[np.float64] = np.array([1.0])
    else:
        thresholds = np.arange(1, LEVELS + 1) / LEVELS
        # The lowest level holds every selected pixel, however faint.
        thresholds[0] = min(thresholds[0], float(mask[mask > 0.0].min()))
    grown = mask.copy()
    for threshold in thresholds:
        outside = mask < threshold
        if outside.all():
            break
        np.maximum(
            grown, np.where(distances(outside) <= radius, np.float32(threshold), np.float32(0.0)), out=grown
        )
    return grown


def _blur(mask: Floats, width: float) -> Floats:
    """A soft edge `width` pixels wide in all: two box filters, whose time does not depend on their size."""
    side = round(width / 2) | 1
    if side < 3:
        return mask
    soft = mask
    for _ in range(2):
        soft = box_blurred(soft, side)
    # Sums of ones come out as 0.9999998: what lies wholly inside is repainted wholly.
    soft[soft > 1.0 - 1e-5] = 1.0
    soft[soft < 1e-5] = 0.0
    return soft


def _ramp(grown: Floats, width: float) -> Floats:
    """Rises from the rim of each island inwards over `width` pixels, over less where an island is thin."""
    inside = grown > 0.0
    if width < 1.0 or inside.all():
        return grown
    distance = distances(inside)
    count, labels = islands(inside)
    deepest = np.zeros(count, np.float32)
    np.maximum.at(deepest, labels.ravel(), distance.ravel())
    reach = np.minimum(np.float32(width), np.maximum(deepest, 1.0))[labels]
    rise = np.clip(distance / reach, 0.0, 1.0)
    smooth = rise * rise * (3.0 - 2.0 * rise)
    return np.asarray(smooth * grown, np.float32)
