"""Pure geometry: which part of the canvas to look at, how masks grow, at what size to compute.

Functions of rectangles and numbers only: nothing here costs more on a larger canvas.
"""

from __future__ import annotations

from underpaint.geometry.context import fill_window
from underpaint.geometry.masks import MaskPlan, mask_plan
from underpaint.geometry.sizes import SECOND_PASS_STRENGTH, Size, SizePlan, size_plan
from underpaint.geometry.tiles import Span, shares, spans

__all__ = [
    "SECOND_PASS_STRENGTH",
    "MaskPlan",
    "Size",
    "SizePlan",
    "Span",
    "fill_window",
    "mask_plan",
    "shares",
    "size_plan",
    "spans",
]
