"""swatch and swatch-lines in the engine: what is painted keeps to what was drawn."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from training import drawings
from training.export import MODELS
from training.materials import BY_NAME

from underpaint.engine.families.sd15 import StableDiffusion15
from underpaint.engine.family import Assignment
from underpaint.engine.pixels import Raster
from underpaint.engine.residency import Shelf
from underpaint.types import MASK_FORMAT, Alpha, Channels, PixelFormat
from underpaint.v1.job_service_pb2 import Control, JobSpec
from underpaint.worker_v1.worker_service_pb2 import ControlSource, ModelSource

RGB = PixelFormat(Channels.RGB, alpha=Alpha.NONE)
EDGE = 256

Paint = Callable[..., np.ndarray]


@pytest.fixture(scope="module")
def paint() -> Paint:
    """A picture u8 `[256, 256, 3]` for words and a drawing, or none, that counts where `where` says."""
    family = StableDiffusion15(
        ModelSource(name="swatch", path=str(MODELS / "swatch")), Shelf(), "cpu", "float32"
    )

    def make(
        words: str, drawing: np.ndarray | None, seed: int, where: np.ndarray | None = None
    ) -> np.ndarray:
        spec = JobSpec(prompt=words, seed=seed, steps=10)
        spec.text_to_image.width_px = spec.text_to_image.height_px = EDGE
        inputs, sources = {}, ()
        if drawing is not None:
            control = Control(role="line-art")
            control.image.blob = "drawing"
            inputs["drawing"] = Raster.over(drawings.shown(drawing).tobytes(), RGB, EDGE, EDGE)
            if where is not None:
                control.mask.blob = "where"
                inputs["where"] = Raster.over(
                    (where * 255).astype(np.uint8).tobytes(), MASK_FORMAT, EDGE, EDGE
                )
            spec.controls.append(control)
            sources = (ControlSource(name="swatch-lines", path=str(MODELS / "swatch-lines")),)
        task = family.prepare(Assignment("jobs/1", spec, inputs, controls=sources))
        while not task.ready_to_finish:
            family.step([task])
        return np.asarray(family.finish(task)[0].samples, np.uint8)

    return make


def outline(material: str) -> np.ndarray:
    """The lines of a large piece of a material, 1 on 0."""
    return drawings.outline(BY_NAME[material].make(np.random.default_rng(3), 2)).astype(np.float32)


def agreement(drawing: np.ndarray, picture: np.ndarray, part: slice = slice(None)) -> float:
    """F1 of the drawing's lines and the picture's edges within two pixels, 0.0 to 1.0; some columns only."""
    return drawings.agreement(drawing[:, part] > 0.5, drawings.edges(picture, 0.5)[:, part])


def test_edges_follow_the_drawing(paint: Paint) -> None:
    with_lines, without = [], []
    for seed, material in enumerate(("marble", "wash", "clouds"), 1):
        drawing, words = outline(material), f"grey {BY_NAME[material].words[0]}"
        with_lines.append(agreement(drawing, paint(words, drawing, seed)))
        without.append(agreement(drawing, paint(words, None, seed)))
    # The model card has the figures of sixty drawings: 0.55 with lines, 0.25 by chance.
    assert np.mean(with_lines) > 0.3
    assert np.mean(with_lines) > 1.6 * np.mean(without)


def test_edges_follow_the_drawing_only_where_the_control_counts(paint: Paint) -> None:
    drawing, words = outline("marble"), "grey marble"
    where = np.zeros((EDGE, EDGE), np.float32)
    where[:, : EDGE // 2] = 1.0
    left, right = slice(0, EDGE // 2 - 16), slice(EDGE // 2 + 16, EDGE)
    half, free = paint(words, drawing, 1, where), paint(words, None, 1)
    assert agreement(drawing, half, left) > 1.5 * agreement(drawing, free, left)
    assert agreement(drawing, half, right) < 1.5 * agreement(drawing, free, right) + 0.05
