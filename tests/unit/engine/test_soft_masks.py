"""Soft masks, whatever the family: pixels change in proportion to coverage, and hard masks are stock's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.unit.engine.parity_rows import FLOW_ROWS, ROWS
from tests.unit.engine.stock import Case, Ours, photo
from underpaint.engine.diffusion.job import DiffusionTask
from underpaint.engine.family import Assignment
from underpaint.engine.inpaint import is_soft
from underpaint.engine.pixels import Raster
from underpaint.types import MASK_FORMAT
from underpaint.v1 import job_service_pb2

BANDS = np.linspace(0.0, 1.0, 5)
WIDTH, HEIGHT = 16 * len(BANDS), 64
BLENDING = ("plain", "small", "sdxl", "sdxl-refiner", "flux-dev", "flux-schnell", "flux-kontext")
"""Models that inpaint by going back to the picture's own latents."""
NATIVE = ("inpaint", "small-inpaint", "sdxl-inpaint", "flux-fill")
"""Models whose denoiser takes the hole and what is around it."""


def painted(ours: Ours, coverage: np.ndarray) -> DiffusionTask:
    """An inpainting whose mask has that coverage, column by column."""
    scheduler = next(name for name in ("euler", "flow-match-euler") if name in _schedulers(ours))
    case = Case("inpaint", scheduler, negative="", steps=8, strength=1.0, width=WIDTH, height=HEIGHT)
    spec = case.spec()
    spec.result_form = job_service_pb2.RESULT_FORM_MERGED
    mask = np.ascontiguousarray(np.broadcast_to(np.rint(coverage * 255).astype(np.uint8), (HEIGHT, WIDTH)))
    inputs = {**case.inputs(), "blobs/mask": Raster.over(mask, MASK_FORMAT, WIDTH, HEIGHT)}
    task = ours.family.prepare(Assignment("jobs/soft", spec, inputs))
    while not task.ready_to_finish:
        ours.family.step([task])
    return task


def _schedulers(ours: Ours) -> tuple[str, ...]:
    flow = "Flow" in str(ours.family._parts.scheduler_config["_class_name"])
    return ("flow-match-euler",) if flow else ("euler",)


def by_band(values: np.ndarray) -> np.ndarray:
    """The mean of each band's columns; the last axis runs from left to right."""
    return np.asarray([part.mean() for part in np.split(values, len(BANDS), axis=-1)])


@pytest.mark.parametrize("model", [*BLENDING, *NATIVE])
def test_pixels_change_the_more_the_higher_their_coverage(models: Path, model: str) -> None:
    ours = Ours(models / model)
    # From left to right and back, so that what the photograph shows at a place does not count.
    ramps = [np.repeat(BANDS, 16), np.repeat(BANDS, 16)[::-1]]
    changes = []
    for ramp in ramps:
        samples = np.asarray(ours.family.finish(painted(ours, ramp))[0].samples, np.float32)
        changes.append(by_band(np.abs(samples - photo(WIDTH, HEIGHT)).mean(axis=2)))
    assert changes[0][0] == changes[1][-1] == 0.0
    change = (changes[0] + changes[1][::-1]) / 2
    assert (np.diff(change) > 0.0).all(), change
    # In proportion: no coverage is far from its share of what a full one changes.
    assert np.abs(change / change[-1] - BANDS).max() < 0.3, change / change[-1]


@pytest.mark.parametrize("model", [*BLENDING, *NATIVE])
def test_latents_are_free_for_as_large_a_share_of_the_steps_as_their_coverage(
    models: Path, model: str
) -> None:
    ours = Ours(models / model)
    task = painted(ours, np.repeat(BANDS, 16))
    current = task.current
    assert current.image_latents is not None and current.latents is not None
    change = (current.latents - current.image_latents).abs().mean(dim=(0, 1, 2)).numpy()
    assert by_band(change)[0] == 0.0 and (by_band(change)[1:] > 0.0).all()
    # With less coverage everywhere a cell that was kept is kept still.
    less = painted(ours, np.repeat(BANDS, 16) * 0.5).current
    assert less.latents is not None
    kept = (less.latents == current.image_latents).all(dim=1).float().mean().item()
    assert kept >= (current.latents == current.image_latents).all(dim=1).float().mean().item()


@pytest.mark.parametrize("model", NATIVE)
def test_a_model_made_for_holes_is_shown_a_hole_wherever_something_changes(models: Path, model: str) -> None:
    ours = Ours(models / model)
    faint, wide = (painted(ours, np.repeat(bands, 16)).current for bands in (BANDS * 0.3, BANDS))
    assert faint.hole_cells is not None and wide.hole_cells is not None
    assert faint.soft and torch.equal(faint.hole_cells, wide.hole_cells)
    assert wide.hole_cells[..., :2].max() == 0.0 and wide.hole_cells[..., 2:].min() == 1.0


@pytest.mark.parametrize(
    ("coverage", "soft"),
    [
        (np.repeat([0.0, 1.0], 40), False),
        (np.repeat([0.0, 0.5], 40), True),
        (np.clip(np.arange(80) / 12, 0.0, 1.0), False),
        (np.clip(np.arange(80) / 40, 0.0, 1.0), True),
        (np.repeat([0.0, 0.5, 0.0], [30, 16, 34]), False),
        (np.repeat([0.0, 0.5, 0.0], [30, 17, 33]), True),
    ],
    ids=["hard", "half", "edge", "ramp", "as wide as an edge", "wider"],
)
def test_a_mask_is_soft_where_grey_is_wider_than_an_edge(coverage: np.ndarray, soft: bool) -> None:
    mask = np.broadcast_to(coverage.astype(np.float32), (64, len(coverage)))
    assert is_soft(mask, edge=16) is soft
    assert is_soft(mask.T, edge=16) is soft


def test_every_family_is_compared_with_stock_under_hard_masks() -> None:
    compared = {row.model for row in (*ROWS, *FLOW_ROWS) if row.operation == "inpaint"}
    assert compared >= {"plain", "inpaint", "sdxl", "sdxl-inpaint", "sdxl-refiner", "flux-dev", "flux-fill"}
