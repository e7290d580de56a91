"""Regions with the model in the box: what a prompt changes inside its mask, and how little outside."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from training.export import MODELS

from underpaint.engine.families.sd15 import StableDiffusion15
from underpaint.engine.family import Assignment
from underpaint.engine.pixels import Raster
from underpaint.engine.residency import Shelf
from underpaint.types import MASK_FORMAT
from underpaint.v1.job_service_pb2 import JobSpec, Region
from underpaint.worker_v1.worker_service_pb2 import ModelSource

EDGE = 192
FACTOR = 3.0
"""A region's prompt changes pixels inside its mask at least so many times more than those outside."""
ROWS, COLUMNS = np.mgrid[0:EDGE, 0:EDGE]
DISC = ((COLUMNS - 80) ** 2 + (ROWS - 110) ** 2 < 52**2).astype(np.uint8) * 255

Paint = Callable[..., np.ndarray]


@pytest.fixture(scope="module")
def paint() -> Paint:
    """A picture `[192, 192, 3]` in 0 … 255 for a prompt and what to paint in the disc."""
    source = ModelSource(name="swatch", path=str(MODELS / "swatch"))
    family = StableDiffusion15(source, Shelf(), "cpu", "float32")

    def make(prompt: str, in_disc: str, seed: int = 1) -> np.ndarray:
        spec = JobSpec(prompt=prompt, seed=seed, steps=8)
        spec.text_to_image.width_px = spec.text_to_image.height_px = EDGE
        region = Region(prompt=in_disc)
        region.mask.blob = "disc"
        spec.regions.append(region)
        inputs = {"disc": Raster.over(DISC.tobytes(), MASK_FORMAT, EDGE, EDGE)}
        task = family.prepare(Assignment("jobs/1", spec, inputs))
        while not task.ready_to_finish:
            family.step([task])
        return np.asarray(family.finish(task)[0].samples, np.float32)

    return make


@pytest.mark.parametrize(
    ("prompt", "one", "other"),
    [("grey cobblestone", "green grass", "red brick"), ("brown wood", "red brick", "green grass")],
)
def test_a_regions_prompt_changes_pixels_inside_at_least_three_times_as_much(
    paint: Paint, prompt: str, one: str, other: str
) -> None:
    change = np.abs(paint(prompt, one) - paint(prompt, other)).mean(axis=2)
    inside, outside = change[DISC > 0].mean(), change[DISC == 0].mean()
    assert inside > 30.0
    assert inside >= FACTOR * outside


def test_colours_are_those_that_each_place_was_promised(paint: Paint) -> None:
    picture = paint("grey cobblestone", "red brick")
    red = picture[..., 0] - picture[..., 1:].mean(axis=2)
    assert red[DISC > 0].mean() > 40.0
    assert abs(red[DISC == 0].mean()) < 15.0
