"""Padding beyond UV islands: what it takes from where, and what it leaves alone."""

from __future__ import annotations

import numpy as np
import pytest

from underpaint.engine.family import Assignment
from underpaint.engine.finish import finish_picture
from underpaint.engine.pixels import Raster
from underpaint.engine.plan import plan_image, resolve
from underpaint.engine.postprocessing import Scene
from underpaint.engine.postprocessors.pad_islands import PADDING_PX, pad
from underpaint.engine.texture.islands import pad_islands
from underpaint.hookspecs import ModelTraits
from underpaint.types import PixelFormat
from underpaint.v1 import job_service_pb2 as pb
from underpaint.v1.image_pb2 import ImageRef
from underpaint.wire.images import format_to_layout
from underpaint.worker_v1.worker_service_pb2 import PluginFunction

HEIGHT, WIDTH, PADDING = 37, 52, 9
PAD = PluginFunction(name="pad-islands", engine="underpaint.engine.postprocessors.pad_islands:pad")
TRAITS = ModelTraits(operations=("txt2img", "img2img", "inpaint"), components={}, default_scheduler="euler")


def numbered() -> np.ndarray:
    """No two pixels have one colour."""
    return np.arange(HEIGHT * WIDTH * 3, dtype=np.float32).reshape(HEIGHT, WIDTH, 3) / (HEIGHT * WIDTH * 3)


def mask(seed: int) -> np.ndarray:
    """From a few lone pixels to islands with holes."""
    draw = np.random.default_rng(seed)
    inside = draw.random((HEIGHT, WIDTH)) < (0.004, 0.02, 0.2)[seed % 3]
    top, left = draw.integers(0, HEIGHT - 8), draw.integers(0, WIDTH - 12)
    inside[top : top + 8, left : left + 12] = True
    return inside


def squared(inside: np.ndarray, row: int, column: int, wrap_y: bool, wrap_x: bool) -> np.ndarray:
    """Squared distances of all pixels inside to one pixel, by trying each."""
    rows, columns = np.nonzero(inside)
    down, right = abs(rows - row), abs(columns - column)
    down = np.minimum(down, HEIGHT - down) if wrap_y else down
    right = np.minimum(right, WIDTH - right) if wrap_x else right
    return np.asarray(down**2 + right**2)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("wrap_y", "wrap_x"), [(False, False), (True, False), (False, True), (True, True)])
def test_every_padded_pixel_has_the_colour_of_its_nearest_island_pixel_and_no_other_changes(
    seed: int, wrap_y: bool, wrap_x: bool
) -> None:
    picture, inside = numbered(), mask(seed)
    padded = pad_islands(picture, inside, PADDING, wrap_x=wrap_x, wrap_y=wrap_y)
    assert np.array_equal(padded[inside], picture[inside])
    colors = picture[inside]
    changed = 0
    for row, column in np.argwhere(~inside):
        distance = squared(inside, row, column, wrap_y, wrap_x)
        if distance.min() > PADDING**2:
            assert np.array_equal(padded[row, column], picture[row, column])
            continue
        nearest = colors[distance == distance.min()]
        assert (nearest == padded[row, column]).all(axis=1).any()
        changed += 1
    assert changed > 100


def test_without_islands_or_without_padding_nothing_changes() -> None:
    picture, inside = numbered(), mask(0)
    for given, padding in ((inside, 0), (np.zeros_like(inside), PADDING), (np.ones_like(inside), PADDING)):
        made = pad_islands(picture, given, padding)
        assert made is not picture and np.array_equal(made, picture)


def test_padding_reaches_over_more_than_the_whole_of_a_small_tile() -> None:
    inside = np.zeros((5, 4), bool)
    inside[2, 1] = True
    picture = np.random.default_rng(1).random((5, 4, 3), np.float32)
    assert (pad_islands(picture, inside, 12, wrap_x=True, wrap_y=True) == picture[2, 1]).all()


def test_the_post_processor_takes_the_islands_from_alpha() -> None:
    picture, inside = numbered(), mask(1)
    known = np.where(inside, 0.5, 0.49).astype(np.float32)
    made = pad(picture, Scene(picture, known, tile_x=True))
    assert np.array_equal(made, pad_islands(picture, inside, PADDING_PX, wrap_x=True))
    assert pad(picture, Scene()) is picture


def test_a_repainted_texture_has_padding_under_its_transparent_pixels() -> None:
    rgba = np.zeros((64, 64, 4), np.uint8)
    rgba[16:48, 20:44] = (200, 100, 50, 255)
    spec = pb.JobSpec(prompt="moss", steps=2, seed=1, postprocess=["pad-islands"])
    spec.image_to_image.image.CopyFrom(ImageRef(blob="blobs/image"))
    spec.image_to_image.strength = 0.5
    spec.output_layout.CopyFrom(format_to_layout(PixelFormat()))
    inputs = {"blobs/image": Raster.over(rgba.tobytes(), PixelFormat(), 64, 64)}
    assignment = Assignment("jobs/1", spec, inputs, postprocessors=(PAD,))
    plan = plan_image(assignment, resolve(assignment, TRAITS, "m"), TRAITS)
    columns = np.broadcast_to(np.linspace(0.0, 1.0, 64, dtype=np.float32)[None, :, None], (64, 64, 3))
    made = finish_picture(plan, columns.copy()).samples
    assert np.array_equal(made[..., 3], rgba[..., 3])
    # Left of the island its first column goes on, for sixteen pixels.
    assert (made[30, 4:20, 0] == made[30, 20, 0]).all() and made[30, 3, 0] == round(255 * 3 / 63)
    assert made[30, 30, 0] == round(255 * 30 / 63)
