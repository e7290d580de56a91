"""What a tile's job gets of a large picture's controls and regions: its part, at its place in the tile."""

from __future__ import annotations

from typing import Any

import numpy as np

from underpaint.engine.family import Assignment
from underpaint.engine.pixels import Raster
from underpaint.engine.upscale.passes import Tile
from underpaint.engine.upscale.refine import tile_job
from underpaint.geometry import Size, Span
from underpaint.types import MASK_FORMAT, Alpha, Channels, PixelFormat
from underpaint.v1 import image_pb2, job_service_pb2
from underpaint.worker_v1.worker_service_pb2 import ControlSource

RGB = PixelFormat(Channels.RGB, alpha=Alpha.NONE)
SOURCE = Size(40, 30)
"""Lies at (10, 20) of the canvas, and becomes four times as large."""


def specification(**values: Any) -> job_service_pb2.JobSpec:
    spec = job_service_pb2.JobSpec(prompt="moss", seed=2**64 - 1, **values)
    spec.upscale.CopyFrom(
        job_service_pb2.Upscale(
            image=image_pb2.ImageRef(blob="b", x_px=10, y_px=20), width_px=160, height_px=120, strength=0.3
        )
    )
    return spec


def tile(number: int, x: Span, y: Span, spec: job_service_pb2.JobSpec, **inputs: Raster) -> Assignment:
    sources = tuple(ControlSource(name=str(index)) for index in range(len(spec.controls)))
    whole = Assignment("jobs/1", spec, inputs, controls=sources)
    rgb = np.zeros((y.length, x.length, 3), np.float32)
    return tile_job(whole, spec, SOURCE, Tile(number, x, y), rgb)


def drawing() -> Raster:
    """White but for one black pixel, as large as the source."""
    pixels = np.full((30, 40, 3), 255, np.uint8)
    pixels[12, 20] = 0
    return Raster(pixels, RGB)


def test_a_tile_is_an_image_to_image_job_with_noise_of_its_own() -> None:
    made = tile(3, Span(0, 64), Span(56, 120), specification(tile_x=True))
    assert made.spec.WhichOneof("operation") == "image_to_image"
    assert (made.spec.image_to_image.strength, made.spec.prompt) == (0.3, "moss")
    assert made.spec.seed == 2, "counted on from the job's, around the end"
    assert not made.spec.tile_x, "it has neighbours"
    around = tile(0, Span(0, 160), Span(0, 64), specification(tile_x=True, tile_y=True))
    assert (around.spec.tile_x, around.spec.tile_y) == (True, False), "once around, and not in height"


def test_a_control_is_cut_to_the_tile_at_the_tiles_size() -> None:
    control = job_service_pb2.Control(
        image=image_pb2.ImageRef(blob="c", x_px=10, y_px=20), role="line-art", strength=0.7
    )
    spec = specification(controls=[control])
    # The black pixel is (20, 12) of the source: 80 to 83, 48 to 51 of the result.
    made = tile(0, Span(64, 128), Span(32, 96), spec, c=drawing())
    (kept,) = made.spec.controls
    assert (kept.role, kept.strength, kept.image.x_px, kept.image.y_px) == ("line-art", 0.7, 0, 0)
    seen = made.inputs[kept.image.blob].samples[..., 0]
    assert seen.shape == (64, 64)
    row, column = np.unravel_index(int(np.argmin(seen)), seen.shape)
    assert (row in (17, 18), column in (17, 18)) == (True, True)
    assert (tile(1, Span(96, 160), Span(32, 96), spec, c=drawing()).inputs["control-0"].samples > 0.9).all()


def test_what_does_not_reach_a_tile_is_left_out_of_it() -> None:
    small = Raster(np.zeros((8, 8, 3), np.uint8), RGB)
    mask = Raster(np.full((8, 8, 1), 255, np.uint8), MASK_FORMAT)
    far = image_pb2.ImageRef(blob="c", x_px=42, y_px=42)  # 128 to 160, 88 to 120 of the result
    spec = specification(
        controls=[job_service_pb2.Control(image=far, role="depth")],
        regions=[job_service_pb2.Region(mask=image_pb2.ImageRef(blob="m", x_px=42, y_px=42), prompt="barn")],
    )
    beside = tile(0, Span(0, 64), Span(0, 64), spec, c=small, m=mask)
    assert (len(beside.spec.controls), beside.controls, len(beside.spec.regions)) == (0, (), 0)
    there = tile(0, Span(96, 160), Span(56, 120), spec, c=small, m=mask)
    (control,), (region,) = there.spec.controls, there.spec.regions
    assert (control.image.x_px, control.image.y_px) == (32, 32)
    assert (region.prompt, region.mask.x_px, region.mask.y_px) == ("barn", 32, 32)
    assert there.inputs[region.mask.blob].samples.shape == (32, 32, 1)
    assert [source.name for source in there.controls] == ["0"]
