"""Words for what is around a hole already, and words for something else, with the model in the box."""

from __future__ import annotations

import numpy as np
import pytest
from training import dataset
from training.export import FILL_STRENGTH, MODELS, WORDLESS_FILL_STRENGTH
from training.materials import BY_NAME, MATERIALS
from training.render import COLOURS, Picture

from underpaint.engine.diffusion.comparing import ComparingTask
from underpaint.engine.families.sd15 import StableDiffusion15
from underpaint.engine.family import Assignment
from underpaint.engine.pixels import Raster
from underpaint.engine.residency import Shelf
from underpaint.types import MASK_FORMAT, Alpha, Channels, PixelFormat
from underpaint.v1.job_service_pb2 import JobSpec
from underpaint.worker_v1.worker_service_pb2 import ModelSource

EDGE = 192
HOLE = np.zeros((EDGE, EDGE), np.uint8)
HOLE[60:130, 50:140] = 255
RGB = PixelFormat(channels=Channels.RGB, alpha=Alpha.NONE)


@pytest.fixture(scope="module")
def family() -> StableDiffusion15:
    source = ModelSource(name="swatch-inpaint", path=str(MODELS / "swatch-inpaint"))
    return StableDiffusion15(source, Shelf(), "cpu", "float32")


@pytest.fixture(scope="module")
def pictures() -> dict[str, tuple[str, Picture]]:
    """By material: its colour and a held-out picture of it."""
    drawn = dataset.each(7, dataset.HELD_OUT + 6, rounds=1)
    return {MATERIALS[one.label[0]].name: (COLOURS[one.label[1]], one.picture[:EDGE, :EDGE]) for one in drawn}


def strength(family: StableDiffusion15, picture: Picture, prompt: str) -> float:
    """What comes of a prompt in a hole of that picture."""
    spec = JobSpec(prompt=prompt, seed=1, steps=10, guidance_scale=2.0, scheduler="ddim")
    spec.inpaint.image.blob, spec.inpaint.mask.blob = "image", "mask"
    spec.inpaint.strength, spec.inpaint.fill_mode, spec.inpaint.compare_prompt = (
        FILL_STRENGTH,
        "continue",
        True,
    )
    image = Raster.over(np.ascontiguousarray(picture).tobytes(), RGB, EDGE, EDGE)
    inputs = {"image": image, "mask": Raster.over(HOLE.tobytes(), MASK_FORMAT, EDGE, EDGE)}
    task = family.prepare(Assignment("jobs/1", spec, inputs))
    assert isinstance(task, ComparingTask)
    while task.aside is None:
        family.step([task])
    return float(task.aside().resolved.inpaint.strength)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["brick", "leather", "dots", "wood", "tiles"])
def test_words_for_what_is_there_go_on_with_it_and_words_for_something_else_do_not(
    family: StableDiffusion15, pictures: dict[str, tuple[str, Picture]], name: str
) -> None:
    colour, picture = pictures[name]
    own = BY_NAME[name].words[0]
    other = "blue grass" if colour != "blue" else "orange grass"
    assert strength(family, picture, f"{colour} {own}") == WORDLESS_FILL_STRENGTH
    assert strength(family, picture, other) == FILL_STRENGTH
