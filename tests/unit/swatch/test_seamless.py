"""Textures of the model in the box over edges that meet: no worse there than inside, at any shape."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from training.export import MODELS

from underpaint.engine.families.sd15 import StableDiffusion15
from underpaint.engine.family import Assignment
from underpaint.engine.pixels import Raster
from underpaint.engine.residency import Shelf
from underpaint.engine.upscale.family import Upscaling
from underpaint.types import Alpha, Channels, PixelFormat
from underpaint.v1 import image_pb2, job_service_pb2
from underpaint.wire.images import format_to_layout
from underpaint.worker_v1 import worker_service_pb2

RGB = PixelFormat(Channels.RGB, alpha=Alpha.NONE)
SIZES = [(128, 128), (144, 208), (128, 448)]
"""Height and width: square, odd multiples of 16, long."""


@pytest.fixture(scope="module")
def swatch() -> StableDiffusion15:
    source = worker_service_pb2.ModelSource(name="swatch", path=str(MODELS / "swatch"))
    return StableDiffusion15(source, Shelf(), "cpu", "float32")


def paint(swatch: StableDiffusion15, size: tuple[int, int], tiled: bool) -> np.ndarray:
    spec = job_service_pb2.JobSpec(
        prompt="mossy stone",
        seed=5,
        steps=6,
        guidance_scale=3.0,
        scheduler="ddim",
        tile_x=tiled,
        tile_y=tiled,
    )
    spec.text_to_image.width_px, spec.text_to_image.height_px = size[1], size[0]
    task = swatch.prepare(Assignment("jobs/1", spec, {}))
    while not task.ready_to_finish:
        swatch.step([task])
    (picture,) = swatch.finish(task)
    return np.asarray(picture.samples)


def seams(picture: np.ndarray) -> list[tuple[float, np.ndarray]]:
    """For each axis the mean step over the edge, and those between all neighbouring lines inside."""
    found = []
    for axis in (0, 1):
        values = picture[..., :3].astype(np.float64)
        steps = np.abs(np.roll(values, -1, axis=axis) - values).mean(axis=(1 - axis, 2))
        found.append((float(steps[-1]), steps[:-1]))
    return found


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_opposite_edges_are_no_worse_than_neighbouring_lines(
    swatch: StableDiffusion15, size: tuple[int, int]
) -> None:
    for edge, inside in seams(paint(swatch, size, tiled=True)):
        print(f"{size}: over the edge {edge:.2f}, inside {inside.mean():.2f} to {inside.max():.2f}")
        assert edge <= 1.15 * inside.max(), (edge, inside.mean(), inside.max())
    (down, rows), (across, columns) = seams(paint(swatch, size, tiled=False))
    assert max(down / rows.max(), across / columns.max()) > 1.5, "without it there are seams to be seen"


def test_an_enlarged_texture_still_tiles_and_shows_no_tiles(
    swatch: StableDiffusion15, tmp_path: Path
) -> None:
    small = paint(swatch, (128, 128), tiled=True)
    spec = job_service_pb2.JobSpec(
        prompt="mossy stone", seed=5, steps=6, guidance_scale=3.0, scheduler="ddim", tile_x=True, tile_y=True
    )
    spec.output_layout.CopyFrom(format_to_layout(RGB))
    spec.upscale.CopyFrom(
        job_service_pb2.Upscale(
            image=image_pb2.ImageRef(blob="b"), width_px=256, height_px=256, strength=0.34, tile_px=128
        )
    )
    family = Upscaling(None, swatch, Shelf(), "cpu", "float32")
    task = family.prepare(Assignment("jobs/1", spec, {"b": Raster(small[..., :3], RGB)}, folder=tmp_path))
    assert task.refining is not None
    lines = task.refining.columns
    while not task.ready_to_finish:
        family.step([task])
    (picture,) = family.finish(task)
    for edge, inside in seams(np.asarray(picture.samples)):
        assert edge <= 1.15 * inside.max()
        borders = [(one.stop + other.start) // 2 for one, other in zip(lines, lines[1:], strict=False)]
        at = max(inside[border + offset] for border in borders for offset in (-2, -1, 0, 1))
        assert at <= 1.15 * np.percentile(inside, 95), (at, inside.max())
