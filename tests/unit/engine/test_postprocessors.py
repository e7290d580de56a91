"""Post-processors: what they do to a picture, and that a fill's surroundings never change."""

from __future__ import annotations

import numpy as np
import pytest

from underpaint.engine.family import Assignment
from underpaint.engine.finish import finish_picture
from underpaint.engine.inpaint import mask_bounds
from underpaint.engine.pixels import Raster, canonicalise
from underpaint.engine.pixels.cv import to_lab
from underpaint.engine.plan import plan_image, resolve
from underpaint.engine.postprocessing import Scene, postprocess
from underpaint.engine.postprocessors.match_colors import match_colors
from underpaint.engine.postprocessors.sharpen import sharpen
from underpaint.errors import JobCancelled, PluginFailed
from underpaint.hookspecs import ModelTraits
from underpaint.types import MASK_FORMAT, Alpha, Channels, DataType, PixelFormat, RowOrder
from underpaint.v1 import job_service_pb2 as pb
from underpaint.v1.image_pb2 import ImageRef
from underpaint.wire.images import format_to_layout
from underpaint.worker_v1.worker_service_pb2 import PluginFunction

HERE = "tests.unit.engine.plugin_functions"
RED = PluginFunction(name="red", engine=f"{HERE}:red")
SHARPEN = PluginFunction(name="sharpen", engine="underpaint.engine.postprocessors.sharpen:sharpen")
MATCH = PluginFunction(
    name="match-colors", engine="underpaint.engine.postprocessors.match_colors:match_colors"
)
TRAITS = ModelTraits(operations=("txt2img", "img2img", "inpaint"), components={}, default_scheduler="euler")


def noise(height: int, width: int, channels: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).random((height, width, channels), np.float32)


def scene_with_hole(source: np.ndarray) -> Scene:
    mask = np.zeros(source.shape[:2], np.float32)
    mask[40:80, 50:90] = 1.0
    return Scene(source, np.ones_like(mask), mask)


def test_sharpening_raises_details_and_keeps_the_mean() -> None:
    picture = 0.4 + 0.2 * noise(64, 64, 3)
    made = sharpen(picture, Scene())
    assert made.std() > 1.3 * picture.std()
    assert abs(made.mean() - picture.mean()) < 1e-3
    plain = np.full((32, 32, 3), 0.3, np.float32)
    assert np.allclose(sharpen(plain, Scene()), plain, atol=1e-6)


@pytest.mark.parametrize(("tile_x", "tile_y"), [(True, False), (False, True), (True, True)])
def test_sharpening_a_seamless_picture_is_the_same_wherever_it_is_cut(tile_x: bool, tile_y: bool) -> None:
    picture = 0.4 + 0.2 * noise(40, 48, 3)
    by = (17 if tile_y else 0, 23 if tile_x else 0)
    scene = Scene(tile_x=tile_x, tile_y=tile_y)
    rolled = sharpen(np.roll(picture, by, (0, 1)), scene)
    assert np.allclose(rolled, np.roll(sharpen(picture, scene), by, (0, 1)), atol=1e-6)
    apart = sharpen(np.roll(picture, by, (0, 1)), Scene())
    assert not np.allclose(apart, np.roll(sharpen(picture, Scene()), by, (0, 1)), atol=1e-3)


def test_a_fill_gets_the_colours_of_its_surroundings() -> None:
    wall = np.float32([0.55, 0.42, 0.30]) + 0.1 * (noise(120, 140, 3) - 0.5)
    made = np.float32([0.3, 0.5, 0.8]) + 0.02 * (noise(120, 140, 3, 2) - 0.5)
    scene = scene_with_hole(wall)
    hole = scene.mask > 0 if scene.mask is not None else None
    matched = match_colors(made, scene)
    wanted = to_lab(wall).mean(axis=(0, 1))
    before, after = (np.abs(to_lab(one)[hole].mean(axis=0) - wanted).max() for one in (made, matched))
    assert before > 30.0
    assert after < 1.0
    # Its shapes stay: only lightness and colour were moved.
    shapes = [to_lab(one)[..., 0][hole] for one in (made, matched)]
    assert shapes[1].std() > 1.2 * shapes[0].std(), "contrast rises towards the wall's"
    assert np.corrcoef(*shapes)[0, 1] > 0.95


@pytest.mark.parametrize(
    "scene",
    [
        Scene(),
        Scene(noise(8, 8, 3), np.ones((8, 8), np.float32), np.ones((8, 8), np.float32)),
        Scene(noise(8, 8, 3), np.zeros((8, 8), np.float32), np.eye(8, dtype=np.float32)),
    ],
    ids=["words alone", "all is hole", "surroundings are transparent"],
)
def test_without_surroundings_colours_stay(scene: Scene) -> None:
    picture = noise(8, 8, 3, 3)
    assert match_colors(picture, scene) is picture


FORMATS = (
    PixelFormat(),
    PixelFormat(Channels.BGRA, DataType.U16, Alpha.PREMULTIPLIED),
    PixelFormat(Channels.RGBA, DataType.F32, row_order=RowOrder.BOTTOM_UP),
)


@pytest.mark.parametrize("format", FORMATS, ids=lambda format: format.data_type.value)
@pytest.mark.parametrize("functions", [(RED,), (SHARPEN,), (MATCH, SHARPEN, RED)], ids=len)
def test_outside_the_composite_mask_every_bit_stays(
    format: PixelFormat, functions: tuple[PluginFunction, ...]
) -> None:
    height, width = 96, 112
    top = {DataType.U8: 255, DataType.U16: 65535}.get(format.data_type, 1.0)
    kinds = {DataType.U8: np.uint8, DataType.U16: np.uint16, DataType.F32: np.float32}
    samples = (noise(height, width, 4) * top).astype(kinds[format.data_type])
    coverage = np.zeros((height, width, 1), np.uint8)
    coverage[30:60, 40:70] = 255
    inputs = {"image": Raster(samples, format), "mask": Raster(coverage, MASK_FORMAT)}
    request = pb.Inpaint(image=ImageRef(blob="image"), mask=ImageRef(blob="mask"))
    spec = pb.JobSpec(
        inpaint=request, result_form=pb.RESULT_FORM_MERGED, output_layout=format_to_layout(format)
    )
    assignment = Assignment("jobs/a", spec, inputs, functions)
    plan = plan_image(assignment, resolve(assignment, TRAITS, "m"), TRAITS)
    assert plan.masks is not None
    made = noise(height, width, 3, 7)
    picture = finish_picture(plan, made)
    kept = plan.masks.composite <= 0.0
    if format.row_order is RowOrder.BOTTOM_UP:
        kept = kept[::-1]
    assert 0 < kept.sum() < kept.size
    assert np.array_equal(picture.samples[kept], samples[kept])
    assert not np.array_equal(picture.samples[~kept], samples[~kept])
    assert not mask_bounds(plan.masks.composite).is_empty
    if RED in functions:
        middle = canonicalise(Raster(picture.samples, format))[45, 55]
        assert np.allclose(middle, [1.0, 0.0, 0.0, 1.0], atol=1e-2)


def test_functions_run_in_the_order_of_the_request() -> None:
    picture = 0.5 + 0.1 * noise(16, 16, 3)
    assert np.array_equal(postprocess(picture, Scene(), (SHARPEN, RED)), red_picture(16))
    assert np.array_equal(postprocess(picture, Scene(), ()), picture)


def red_picture(edge: int) -> np.ndarray:
    return np.tile(np.float32([1.0, 0.0, 0.0]), (edge, edge, 1))


@pytest.mark.parametrize("name", ["stumbles", "too_small", "not_there"])
def test_a_plugin_that_goes_wrong_is_named(name: str) -> None:
    with pytest.raises(PluginFailed, match=name) as raised:
        postprocess(noise(4, 4, 3), Scene(), (PluginFunction(name=name, engine=f"{HERE}:{name}"),))
    assert raised.value.metadata == {"plugin": name}


def test_nothing_runs_for_a_cancelled_job() -> None:
    def check() -> None:
        raise JobCancelled("cancelled")

    with pytest.raises(JobCancelled):
        postprocess(noise(4, 4, 3), Scene(check=check), (RED,))
