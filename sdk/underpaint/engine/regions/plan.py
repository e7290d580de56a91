"""Whose prompt counts where: the regions of a job laid over one another. No torch, any thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from underpaint.engine.family import Assignment
from underpaint.engine.inpaint import resize
from underpaint.engine.loras.plan import PlannedLora, plan_region_loras
from underpaint.engine.pixels import coverage
from underpaint.engine.pixels.color import Floats
from underpaint.errors import InvalidRequest, Violation
from underpaint.geometry import Size
from underpaint.types import Bounds, Tiling
from underpaint.v1 import job_service_pb2
from underpaint.wire.regions import complete_region


@dataclass(frozen=True, eq=False)
class RegionPlan:
    """The regions of a job that cover something, the lowest first."""

    prompts: tuple[str, ...]
    negatives: tuple[str, ...]
    """What to avoid in each; the picture's own where a region says nothing."""
    negative: str
    """What to avoid elsewhere."""
    loras: tuple[tuple[PlannedLora, ...], ...]
    """What each wears beside the picture's own."""
    shares: Mapping[Size, Floats]
    """For a pass of that size, how far each prompt counts in each latent cell.

    `(1 + regions, height, width)`, the picture's own prompt first; in every cell they add up to 1.0."""

    @property
    def own_negatives(self) -> bool:
        """Whether they are told apart without their prompts, too: a LoRA counts there as well."""
        return bool(self._negatives)

    def texts(self, *, guided: bool) -> int:
        """How many must be read for them."""
        return len(self.prompts) + (len(self._negatives) if guided else 0)

    @property
    def _negatives(self) -> set[tuple[str, tuple[PlannedLora, ...]]]:
        """Those that are not the picture's own, each with what reads it."""
        return {*zip(self.negatives, self.loras, strict=True)} - {(self.negative, ())}

    @property
    def areas(self) -> Floats:
        """How much of the picture is each prompt's, `(1 + regions,)`; adds up to 1.0."""
        shares = next(iter(self.shares.values()))
        return np.asarray(shares.mean(axis=(1, 2), dtype=np.float64), np.float32)


def plan_regions(
    assignment: Assignment,
    spec: job_service_pb2.JobSpec,
    window: Bounds,
    sizes: Sequence[Size],
    cell: int,
    tiling: Tiling,
) -> tuple[RegionPlan | None, list[str]]:
    """The regions of a job that paints `window` of the canvas in passes of `sizes`, and notes for the user.

    They lie over one another as layers do: with coverage c (mask times strength), a region's share is c times
    what the regions above it leave, and the picture's own prompt has what all of them leave. `cell`: pixels
    that a latent cell spans along one side. None where no region covers anything. Fills in `spec`'s own.
    Raises `InvalidRequest` for masks that did not come with the job.
    """
    prompts: list[str] = []
    negatives: list[str] = []
    loras: list[tuple[PlannedLora, ...]] = []
    cells: list[list[Floats]] = []
    notes: list[str] = []
    rest = np.ones((window.height, window.width), np.float32)

    def in_cells(share: Floats) -> list[Floats]:
        return [resize(share, Size(size.width // cell, size.height // cell), tiling) for size in sizes]

    for number, region in reversed(list(enumerate(spec.regions))):
        assignment.check()
        complete_region(region)
        cover = _placed(assignment, region, number, window) * np.float32(region.strength)
        share = cover * rest
        if not share.any():
            notes.insert(0, f"Region {number + 1} ({region.prompt!r}) covers nothing here and was left out.")
            continue
        rest *= 1.0 - cover
        prompts.insert(0, region.prompt)
        negatives.insert(0, region.negative_prompt or spec.negative_prompt)
        loras.insert(0, plan_region_loras(assignment, number))
        cells.insert(0, in_cells(share))
    if not prompts:
        return None, notes
    stacks = [np.stack(shares) for shares in zip(in_cells(rest), *cells, strict=True)]
    # Filters that enlarge overshoot at edges.
    shares = {size: stack / stack.sum(axis=0) for size, stack in zip(sizes, stacks, strict=True)}
    own = spec.negative_prompt
    return RegionPlan(tuple(prompts), tuple(negatives), own, tuple(loras), shares), notes


def _placed(assignment: Assignment, region: job_service_pb2.Region, number: int, window: Bounds) -> Floats:
    """A region's coverage of the window, 0.0 where its mask does not reach."""
    where = f"spec.regions[{number}]"
    if region.controls:
        # The daemon has made them the picture's own; as they are, nobody would look at them.
        fault = Violation(f"{where}.controls", "must be among spec.controls by now")
        raise InvalidRequest(f"{fault.field} {fault.description}. Submit the job again.", violations=[fault])
    raster = assignment.inputs.get(region.mask.blob)
    if raster is None:
        fault = Violation(f"{where}.mask", f"refers to {region.mask.blob!r}, which did not come with the job")
        raise InvalidRequest(
            f"{fault.field} {fault.description}. Upload it and submit again.", violations=[fault]
        )
    values = coverage(raster)
    whole = Bounds(region.mask.x_px, region.mask.y_px, raster.width, raster.height)
    part = whole.intersect(window)
    placed = np.zeros((window.height, window.width), np.float32)
    if not part.is_empty:
        rows = slice(part.y - window.y, part.bottom - window.y)
        columns = slice(part.x - window.x, part.right - window.x)
        above, left = part.y - whole.y, part.x - whole.x
        placed[rows, columns] = values[above : above + part.height, left : left + part.width]
    return placed
