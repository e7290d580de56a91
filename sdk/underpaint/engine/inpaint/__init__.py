"""Inpainting around the model: masks before, scaling on both sides, colour and compositing after."""

from __future__ import annotations

from underpaint.engine.inpaint.color import match_colors
from underpaint.engine.inpaint.composite import blend, layer, merge
from underpaint.engine.inpaint.fills import fill_hole, kept_detail
from underpaint.engine.inpaint.masks import MaskSet, is_soft, mask_bounds, prepare_masks
from underpaint.engine.inpaint.scale import resize

__all__ = [
    "MaskSet",
    "blend",
    "fill_hole",
    "is_soft",
    "kept_detail",
    "layer",
    "mask_bounds",
    "match_colors",
    "merge",
    "prepare_masks",
    "resize",
]
