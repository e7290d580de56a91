"""The context: the part of the canvas that inpainting looks at.

Everything follows from the selection's size and the model's, nothing from the canvas's, so that a small
fill on a canvas of 16384 px costs what it costs on one of 1024 px.
"""

from __future__ import annotations

from underpaint.errors import InvalidRequest, Violation
from underpaint.geometry.masks import mask_plan
from underpaint.types import Bounds

CONTEXT_SHARE = 0.5
"""Margin around the selection at full strength, as a share of its mean side."""
MAX_ASPECT = 1.5
"""The shorter side of a context grows until the longer one is at most this many times as long."""
MAX_ZOOM = 3
"""A context is never longer than the native size or this many times the selection, whichever is larger:
scaled to the model, the selection keeps a third of the native size, or all of its own pixels."""


def fill_window(
    selection: Bounds,
    canvas: Bounds,
    *,
    native_size: int,
    size_multiple: int,
    strength: float = 1.0,
    grow: float | None = None,
    feather: float | None = None,
    context_share: float = CONTEXT_SHARE,
) -> Bounds:
    """The context for a selection's tight bounds; lies inside the canvas and contains the selection in it.

    At least `native_size` (pixels) a side and a multiple of `size_multiple` where the canvas allows, towards
    a square, shifted rather than cut at the canvas's edges. `strength`, `grow` and `feather` as for
    `mask_plan`; `context_share` 0.0 gives the tightest context that holds the grown selection. Raises
    `InvalidRequest` where selection and canvas do not overlap.
    """
    selection = selection.intersect(canvas)
    if selection.is_empty:
        fault = Violation("selection", "does not cover a pixel of the canvas")
        raise InvalidRequest("Nothing to fill: the selection lies outside the canvas.", violations=[fault])
    mean = (selection.width + selection.height) / 2
    pad = mask_plan(selection, strength, grow, feather).pad
    margin = min(max(pad, context_share * strength * mean), max(native_size / 2, mean))

    width, height = selection.width + 2 * margin, selection.height + 2 * margin
    width, height = max(width, height / MAX_ASPECT, native_size), max(height, width / MAX_ASPECT, native_size)
    longest = max(native_size, MAX_ZOOM * max(selection.width, selection.height))
    x, context_width = _span(
        selection.x, selection.width, canvas.x, canvas.width, width, longest, size_multiple
    )
    y, context_height = _span(
        selection.y, selection.height, canvas.y, canvas.height, height, longest, size_multiple
    )
    return Bounds(x, y, context_width, context_height)


def _span(
    start: int, length: int, canvas_start: int, canvas_length: int, wanted: float, longest: int, multiple: int
) -> tuple[int, int]:
    """One axis: a span of about `wanted` pixels around the selection's, shifted into the canvas's."""
    size = -(-int(min(wanted, longest)) // multiple) * multiple
    size = min(max(size, length), canvas_length)
    at = start - (size - length) // 2
    return min(max(at, canvas_start), canvas_start + canvas_length - size), size
