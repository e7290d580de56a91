"""The islands of a job: what is inside, what the model sees beyond, how far a mask reaches."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from underpaint.engine.family import Assignment
from underpaint.engine.inpaint import MaskSet, prepare_masks
from underpaint.engine.pixels import coverage
from underpaint.engine.pixels.color import Floats
from underpaint.engine.pixels.cv import island_boxes, nearest_outside
from underpaint.errors import InvalidRequest, Violation
from underpaint.geometry import MaskPlan
from underpaint.types import Bounds
from underpaint.v1 import job_service_pb2
from underpaint.wire.islands import complete_islands

INSIDE = 0.5
"""From so much coverage on, a pixel is inside an island."""


@dataclass(frozen=True)
class IslandPlan:
    """Where a job's picture has pixels at all."""

    inside: npt.NDArray[np.bool_]
    """`(height, width)` of the target, top row first."""
    padding: int
    """How far islands go on, in pixels."""


def plan_islands(assignment: Assignment, spec: job_service_pb2.JobSpec, window: Bounds) -> IslandPlan | None:
    """The islands within `window` of the canvas; None where the specification has none.

    Raises `InvalidRequest` for a mask that did not come with the job, or has no island there.
    """
    if not spec.HasField("islands"):
        return None
    complete_islands(spec)
    mask = spec.islands.mask
    raster = assignment.inputs.get(mask.blob)
    if raster is None:
        fault = Violation("spec.islands.mask", f"refers to {mask.blob!r}, which did not come with the job")
        raise InvalidRequest(f"{fault.field} {fault.description}. Submit again.", violations=[fault])
    whole = Bounds(mask.x_px, mask.y_px, raster.width, raster.height)
    inside = np.zeros((window.height, window.width), np.bool_)
    part = whole.intersect(window)
    if not part.is_empty:
        covered = coverage(raster)[part.y - whole.y : part.bottom - whole.y]
        inside[part.y - window.y : part.bottom - window.y, part.x - window.x : part.right - window.x] = (
            covered[:, part.x - whole.x : part.right - whole.x] >= INSIDE
        )
    if not inside.any():
        fault = Violation("spec.islands.mask", "covers nothing of the picture")
        raise InvalidRequest(
            "The mask of UV islands is empty here: no pixel of the picture belongs to the mesh. Paint where "
            "it has islands, or do without them.",
            violations=[fault],
        )
    return IslandPlan(inside, spec.islands.padding_px)


def known_alpha(rgba: Floats, plan: IslandPlan | None) -> Floats:
    """How much of a picture, straight RGBA, there is to see: its alpha, 0.0 between islands."""
    return rgba[..., 3] if plan is None else np.where(plan.inside, rgba[..., 3], np.float32(0.0))


def island_masks(mask: Floats, plan: MaskPlan, inside: npt.NDArray[np.bool_]) -> MaskSet:
    """`prepare_masks` for each island that `mask` touches; the rest of the picture is not reached.

    An island's own selection is carried outwards over its edge first, so that growing and softening see no
    rim there: what is selected up to the edge is repainted up to the edge. Between islands the model may
    paint; nothing of that shows.
    """
    labels, boxes = island_boxes(inside)
    grown, denoise, composite = (np.zeros(mask.shape, np.float32) for _ in range(3))
    reach = math.ceil(plan.grow + plan.feather) + 2
    touched = np.unique(labels[(mask > 0.0) & inside])
    for label in touched:
        x, y, width, height = map(int, boxes[label])
        box = (
            slice(max(0, y - reach), y + height + reach),
            slice(max(0, x - reach), x + width + reach),
        )
        own, between = labels[box] == label, ~inside[box]
        carried = mask[box].ravel()[nearest_outside(~own)]
        made = prepare_masks(carried, plan)
        grown[box][own], composite[box][own] = made.grown[own], made.composite[own]
        denoise[box][own] = made.denoise[own]
        denoise[box][between] = np.maximum(denoise[box], made.denoise)[between]
    return MaskSet(grown, denoise, composite)
