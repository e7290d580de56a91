"""How far a selection grows and how soft its edge gets before it is repainted."""

from __future__ import annotations

import math
from dataclasses import dataclass

from underpaint.errors import InvalidRequest, Violation
from underpaint.types import Bounds

FEATHER_SHARE = 0.10
"""Feather at full strength as a share of the selection's diagonal."""
FEATHER_PX = 32.0
"""Feather at full strength, at least, in pixels."""
FEATHER_CAP = 0.25
"""A computed feather never takes more than this share of the diagonal: small selections stay visible."""
GROW_PX = 4.0
"""Growth beyond half the feather, in pixels: new paint reaches under the old edge."""
PAD_SHARE = 0.06
"""Padding beyond the feather as a share of the diagonal."""
PAD_PX = 4.0
"""Padding beyond that, in pixels."""


@dataclass(frozen=True, slots=True)
class MaskPlan:
    """What happens to a mask; all in canvas pixels, at least 0."""

    grow: float
    """The selection is dilated by this much; nothing further out ever changes."""
    feather: float
    """Width of the soft edge, measured inwards from the grown selection's rim."""
    pad: float
    """The model must see at least this much around the selection."""


def mask_plan(
    selection: Bounds, strength: float, grow: float | None = None, feather: float | None = None
) -> MaskPlan:
    """The plan for a selection's tight bounds and a strength above 0.0, up to 1.0.

    `grow` and `feather` override what would be computed. Raises `InvalidRequest` for an empty selection,
    a strength out of range, or negative or non-finite overrides.
    """
    _check(selection, strength, grow, feather)
    diagonal = math.hypot(selection.width, selection.height)
    if feather is None:
        feather = max(FEATHER_SHARE * strength * diagonal, FEATHER_PX * strength)
        feather = min(feather, FEATHER_CAP * diagonal)
    if grow is None:
        grow = GROW_PX + feather / 2
    return MaskPlan(grow=grow, feather=feather, pad=max(grow, feather + PAD_SHARE * diagonal + PAD_PX))


def _check(selection: Bounds, strength: float, grow: float | None, feather: float | None) -> None:
    faults = []
    if selection.is_empty:
        faults.append(Violation("selection", "is empty; select at least one pixel"))
    if not 0.0 < strength <= 1.0:
        faults.append(Violation("strength", f"is {strength}; must be above 0.0 and at most 1.0"))
    for name, value in (("grow", grow), ("feather", feather)):
        if value is not None and not (math.isfinite(value) and value >= 0.0):
            faults.append(Violation(name, f"is {value}; must be 0.0 or more"))
    if faults:
        text = "; ".join(f"{fault.field} {fault.description}" for fault in faults)
        raise InvalidRequest(f"The mask cannot be planned: {text}.", violations=faults)
