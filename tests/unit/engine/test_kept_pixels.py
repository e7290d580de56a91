"""Outside the composite mask every bit stays: every number format and layout, every edge and corner."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tests.unit.engine.stock import ENGINES
from underpaint.engine.diffusion.latent_family import LatentFamily
from underpaint.engine.family import Assignment
from underpaint.engine.finish import finish_picture
from underpaint.engine.pixels import Raster
from underpaint.engine.plan import ImagePlan, plan_image, resolve
from underpaint.hookspecs import ModelTraits
from underpaint.types import MASK_FORMAT, Alpha, Channels, ColorSpace, DataType, PixelFormat, RowOrder
from underpaint.v1 import image_pb2, job_service_pb2
from underpaint.wire.images import format_to_layout

WIDTH, HEIGHT, HOLE = 51, 43, 9
TRAITS = ModelTraits(operations=("inpaint",), components={}, native_size=64, min_size=16, max_size=256)
PLACES = list(
    itertools.product((0, (WIDTH - HOLE) // 2, WIDTH - HOLE), (0, (HEIGHT - HOLE) // 2, HEIGHT - HOLE))
)
"""Where the hole lies: each corner, the middle of each edge, and the middle."""
LAYOUTS = [
    (Channels.GRAY, Alpha.NONE),
    (Channels.GRAY_ALPHA, Alpha.STRAIGHT),
    (Channels.GRAY_ALPHA, Alpha.PREMULTIPLIED),
    (Channels.RGB, Alpha.NONE),
    (Channels.RGBA, Alpha.STRAIGHT),
    (Channels.RGBA, Alpha.PREMULTIPLIED),
    (Channels.BGRA, Alpha.STRAIGHT),
]


def planned(
    format: PixelFormat, bits: np.ndarray, hole: tuple[int, int], *, layer: bool = False
) -> ImagePlan:
    """An inpainting of random bits, with the growth and the feather that it gets by itself."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[hole[1] : hole[1] + HOLE, hole[0] : hole[0] + HOLE] = 255
    spec = job_service_pb2.JobSpec(prompt="moss", steps=1, guidance_scale=1.0, scheduler="ddim")
    spec.inpaint.image.CopyFrom(image_pb2.ImageRef(blob="blobs/image"))
    spec.inpaint.mask.CopyFrom(image_pb2.ImageRef(blob="blobs/mask"))
    spec.result_form = job_service_pb2.RESULT_FORM_LAYER if layer else job_service_pb2.RESULT_FORM_MERGED
    spec.output_layout.CopyFrom(format_to_layout(PixelFormat() if layer else format))
    inputs = {
        "blobs/image": Raster.over(bits.tobytes(), format, WIDTH, HEIGHT),
        "blobs/mask": Raster.over(mask.tobytes(), MASK_FORMAT, WIDTH, HEIGHT),
    }
    given = Assignment("jobs/1", spec, inputs)
    with np.errstate(all="ignore"):
        return plan_image(given, resolve(given, TRAITS, "m"), TRAITS)


@pytest.mark.parametrize("color_space", [ColorSpace.SRGB, ColorSpace.LINEAR_REC709])
@pytest.mark.parametrize("row_order", list(RowOrder))
@pytest.mark.parametrize(("channels", "alpha"), LAYOUTS)
@pytest.mark.parametrize("data_type", list(DataType))
def test_outside_the_composite_mask_every_bit_is_the_sources(
    data_type: DataType, channels: Channels, alpha: Alpha, row_order: RowOrder, color_space: ColorSpace
) -> None:
    format = PixelFormat(channels, data_type, alpha, color_space, row_order)
    rng = np.random.default_rng(4)
    # Any bits at all: not-a-numbers, infinities and colours under alpha 0 among them.
    bits = rng.integers(0, 256, (HEIGHT, WIDTH, format.bytes_per_pixel)).astype(np.uint8)
    made = rng.uniform(0.0, 1.0, (HEIGHT, WIDTH, 3)).astype(np.float32)
    for hole in PLACES:
        plan = planned(format, bits, hole)
        assert plan.masks is not None
        outside = plan.masks.composite <= 0.0
        if row_order is RowOrder.BOTTOM_UP:
            outside = outside[::-1]
        assert 0 < outside.sum() < outside.size
        with np.errstate(all="ignore"):
            samples = finish_picture(plan, made).samples
        found = np.ascontiguousarray(samples).view(np.uint8).reshape(bits.shape)
        assert (found[outside] == bits[outside]).all(), hole
        assert (found[~outside] != bits[~outside]).any(axis=1).mean() > 0.5, hole


@pytest.mark.parametrize("hole", PLACES)
def test_a_layer_lets_the_canvas_through_wherever_the_mask_is_empty(hole: tuple[int, int]) -> None:
    bits = np.random.default_rng(5).integers(0, 256, (HEIGHT, WIDTH, 4)).astype(np.uint8)
    plan = planned(PixelFormat(), bits, hole, layer=True)
    made = np.full((HEIGHT, WIDTH, 3), 0.5, np.float32)
    assert plan.masks is not None
    alpha = finish_picture(plan, made).samples[..., 3]
    assert (alpha[plan.masks.composite <= 0.0] == 0).all()
    assert alpha[hole[1] + HOLE // 2, hole[0] + HOLE // 2] > 200


def test_every_family_finishes_its_pictures_this_way() -> None:
    assert {family.finish for family in ENGINES.values()} == {LatentFamily.finish}
