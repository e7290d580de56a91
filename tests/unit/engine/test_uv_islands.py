"""A texture of UV islands: what lies between them is neither seen nor painted, and they go on beyond."""

from __future__ import annotations

import itertools
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.engine.stock import Ours, photo
from underpaint.engine.family import Assignment
from underpaint.engine.finish import finish_picture
from underpaint.engine.pixels import Raster
from underpaint.engine.plan import ImagePlan, plan_image, resolve
from underpaint.errors import InvalidRequest
from underpaint.hookspecs import ModelTraits
from underpaint.types import MASK_FORMAT, Alpha, Channels, ColorSpace, DataType, PixelFormat, RowOrder
from underpaint.v1 import image_pb2
from underpaint.v1 import job_service_pb2 as pb
from underpaint.wire.images import format_to_layout

RGB = PixelFormat(channels=Channels.RGB, alpha=Alpha.NONE)
OPERATIONS = ("txt2img", "img2img", "inpaint")
TRAITS = ModelTraits(operations=OPERATIONS, components={}, native_size=64, min_size=16, max_size=256)
EDGE, PADDING = 64, 5


def islands(edge: int = EDGE) -> np.ndarray:
    """Two islands with 6 pixels between them; the left one reaches the top edge."""
    inside = np.zeros((edge, edge), np.bool_)
    inside[0:44, 6:29] = True
    inside[10:58, 35:60] = True
    return inside


def specification(operation: str, **values: Any) -> pb.JobSpec:
    spec = pb.JobSpec(prompt="moss", seed=3, steps=2, guidance_scale=1.0, scheduler="ddim", **values)
    image = image_pb2.ImageRef(blob="blobs/image", x_px=10, y_px=20)
    if operation == "txt2img":
        spec.text_to_image.CopyFrom(pb.TextToImage(width_px=EDGE, height_px=EDGE, x_px=10, y_px=20))
    elif operation == "img2img":
        spec.image_to_image.CopyFrom(pb.ImageToImage(image=image, strength=0.6))
    else:
        mask = image_pb2.ImageRef(blob="blobs/mask", x_px=10, y_px=20)
        spec.inpaint.CopyFrom(pb.Inpaint(image=image, mask=mask, strength=0.9))
    return spec


def given(
    operation: str,
    picture: np.ndarray,
    format: PixelFormat = RGB,
    selected: np.ndarray | None = None,
    *,
    known: bool = True,
    **values: Any,
) -> Assignment:
    """A job at (10, 20) of a canvas; its islands' mask begins 3 pixels to the left of that."""
    spec = specification(operation, **values)
    inputs = {"blobs/image": Raster(picture, format)}
    if selected is not None:
        inputs["blobs/mask"] = Raster(selected.astype(np.uint8)[..., None] * 255, MASK_FORMAT)
    if known:
        wide = np.pad(islands(), ((0, 0), (3, 0))).astype(np.uint8)[..., None] * 200
        inputs["blobs/islands"] = Raster(wide, MASK_FORMAT)
        reference = image_pb2.ImageRef(blob="blobs/islands", x_px=7, y_px=20)
        spec.islands.CopyFrom(pb.UvIslands(mask=reference, padding_px=PADDING))
    return Assignment("jobs/1", spec, inputs)


def planned(given: Assignment) -> ImagePlan:
    with np.errstate(all="ignore"):
        return plan_image(given, resolve(given, TRAITS, "m"), TRAITS)


def part(*bounds: int) -> np.ndarray:
    """A selection: left, top, right, bottom."""
    selected = np.zeros((EDGE, EDGE), np.bool_)
    selected[bounds[1] : bounds[3], bounds[0] : bounds[2]] = True
    return selected


LEFT = part(6, 0, 29, 44)
"""All of the left island."""
SPOT = part(10, 20, 20, 30)


@lru_cache
def ring(selected: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Padding as the words say it, pixel by pixel, around all islands or the left one.

    Where it is, the flat index it is copied from (-1: several are equally near), and where painted and
    unpainted pixels are equally near, so that it may go either way.
    """
    inside, painted = islands(), LEFT if selected == "left" else islands()
    rows, columns = np.nonzero(inside)
    where, tied = np.zeros(inside.shape, np.bool_), np.zeros(inside.shape, np.bool_)
    source = np.zeros(inside.shape, np.intp)
    for row, column in zip(*np.nonzero(~inside), strict=True):
        squared = (rows - row) ** 2 + (columns - column) ** 2
        best = squared.min()
        nearest = np.flatnonzero(squared == best)
        found = {bool(painted[rows[index], columns[index]]) for index in nearest}
        where[row, column] = best <= PADDING**2 and found == {True}
        tied[row, column] = len(found) == 2
        source[row, column] = rows[nearest[0]] * EDGE + columns[nearest[0]] if len(nearest) == 1 else -1
    return where, source, tied


# What the model sees


@pytest.fixture(scope="module")
def ours(tiny_root: Path) -> Ours:
    return Ours(tiny_root / "tiny")


def painted(ours: Ours, job: Assignment) -> np.ndarray:
    task = ours.family.prepare(job)
    while not task.ready_to_finish:
        ours.family.step([task])
    (picture,) = ours.family.finish(task)
    return np.asarray(picture.samples)


@pytest.mark.parametrize("operation", ["img2img", "inpaint"])
def test_what_lies_between_islands_never_enters_the_picture(ours: Ours, operation: str) -> None:
    black, pink = photo(EDGE, EDGE), photo(EDGE, EDGE)
    black[~islands()], pink[~islands()] = 0, (255, 0, 200)
    selected = SPOT if operation == "inpaint" else None
    options = {"result_form": pb.RESULT_FORM_MERGED}
    one, other = (
        painted(ours, given(operation, picture, selected=selected, **options)) for picture in (black, pink)
    )
    assert np.array_equal(one[islands()], other[islands()])
    assert (one[islands()] != black[islands()]).any(), "something was painted"
    # Without saying where the islands are, the same paint bleeds into them.
    one, other = (
        painted(ours, given(operation, picture, selected=selected, known=False, **options))
        for picture in (black, pink)
    )
    assert (one[islands()] != other[islands()]).any()


def test_between_islands_the_model_sees_their_own_colours_go_on() -> None:
    picture = np.zeros((EDGE, EDGE, 3), np.uint8)
    picture[:, :32], picture[:, 32:] = (200, 40, 40), (40, 40, 200)
    picture[~islands()] = (0, 255, 0)
    plan = planned(given("img2img", picture))
    assert plan.source is not None
    assert plan.source.rgb[..., 1].max() < 0.2, "no green is left"
    assert np.abs(plan.source.rgb[20, 3] * 255 - (200, 40, 40)).max() < 2.0


# What a mask reaches


def test_a_mask_stays_on_the_islands_that_it_touches() -> None:
    picture = photo(EDGE, EDGE)
    plan, plain = planned(given("inpaint", picture, selected=LEFT)), None
    assert plan.masks is not None
    for mask in (plan.masks.grown, plan.masks.composite):
        assert (mask[~LEFT] == 0.0).all(), "neither what lies between nor the island 6 pixels away"
    assert (plan.masks.composite[LEFT] == 1.0).all(), "up to the island's edge, without a soft rim there"
    assert (plan.masks.denoise[LEFT] == 1.0).all()
    plain = planned(given("inpaint", picture, selected=LEFT, known=False))
    assert plain.masks is not None
    assert (plain.masks.grown[islands() & ~LEFT] > 0.0).any(), "it would have reached the other one"


def test_inside_an_island_a_mask_is_as_soft_as_ever() -> None:
    picture = photo(EDGE, EDGE)
    with_islands = planned(given("inpaint", picture, selected=part(12, 16, 20, 24))).masks
    without = planned(given("inpaint", picture, selected=part(12, 16, 20, 24), known=False)).masks
    assert with_islands is not None and without is not None
    assert without.grown[islands()].sum() == without.grown.sum(), "it ends before the island's edge"
    for name in ("grown", "denoise", "composite"):
        difference = np.abs(getattr(with_islands, name) - getattr(without, name))[islands()]
        assert difference.max() < 1e-6, name


def test_a_mask_between_the_islands_selects_nothing() -> None:
    with pytest.raises(InvalidRequest, match="no pixel of a UV island"):
        planned(given("inpaint", photo(EDGE, EDGE), selected=part(0, 46, 30, 64)))


def test_islands_elsewhere_are_refused_by_name() -> None:
    job = given("img2img", photo(EDGE, EDGE))
    job.spec.islands.mask.x_px = 500
    with pytest.raises(InvalidRequest, match="no pixel of the picture belongs") as refused:
        planned(job)
    assert refused.value.violations[0].field == "spec.islands.mask"


# What comes back


@pytest.mark.parametrize("operation", ["img2img", "inpaint"])
@pytest.mark.parametrize("row_order", list(RowOrder))
@pytest.mark.parametrize(
    ("channels", "alpha"),
    [
        (Channels.GRAY, Alpha.NONE),
        (Channels.RGB, Alpha.NONE),
        (Channels.RGBA, Alpha.STRAIGHT),
        (Channels.BGRA, Alpha.PREMULTIPLIED),
    ],
)
@pytest.mark.parametrize("data_type", list(DataType))
def test_outside_mask_and_padding_every_bit_is_the_sources(
    data_type: DataType, channels: Channels, alpha: Alpha, row_order: RowOrder, operation: str
) -> None:
    format = PixelFormat(channels, data_type, alpha, ColorSpace.SRGB, row_order)
    rng = np.random.default_rng(4)
    bits = rng.integers(0, 256, (EDGE, EDGE, format.bytes_per_pixel)).astype(np.uint8)
    raster = Raster.over(bits.tobytes(), format, EDGE, EDGE)
    selected = LEFT if operation == "inpaint" else None
    options = {"result_form": pb.RESULT_FORM_MERGED, "output_layout": format_to_layout(format)}
    plan = planned(given(operation, raster.samples, format, selected, **options))
    made = rng.uniform(0.0, 1.0, (EDGE, EDGE, 3)).astype(np.float32)
    with np.errstate(all="ignore"):
        samples = finish_picture(plan, made).samples
    found = np.ascontiguousarray(samples).view(np.uint8).reshape(bits.shape)
    if row_order is RowOrder.BOTTOM_UP:
        found, bits = found[::-1], bits[::-1]
    repainted = LEFT if operation == "inpaint" else islands()
    where, source, tied = ring("left" if operation == "inpaint" else "all")
    kept = ~repainted & ~where & ~tied
    assert (found[kept] == bits[kept]).all()
    single = where & (source >= 0)
    assert (found[single] == found.reshape(EDGE * EDGE, -1)[source[single]]).all()
    assert single.sum() > 200 and (found[repainted] != bits[repainted]).any(axis=1).mean() > 0.5


def test_a_layer_over_the_canvas_is_the_merged_picture() -> None:
    picture = np.dstack([photo(EDGE, EDGE), np.full((EDGE, EDGE), 255, np.uint8)])
    made = np.random.default_rng(2).uniform(0.0, 1.0, (EDGE, EDGE, 3)).astype(np.float32)
    floats = PixelFormat(data_type=DataType.F32)
    results = {}
    for form in (pb.RESULT_FORM_LAYER, pb.RESULT_FORM_MERGED):
        options = {"result_form": form, "output_layout": format_to_layout(floats)}
        job = given("inpaint", picture, PixelFormat(), part(6, 0, 29, 20), **options)
        results[form] = finish_picture(planned(job), made).samples
    above = results[pb.RESULT_FORM_LAYER]
    cover = above[..., 3:]
    below = picture[..., :3].astype(np.float32) / 255
    laid = above[..., :3] * cover + below * (1.0 - cover)
    assert np.abs(laid - results[pb.RESULT_FORM_MERGED][..., :3]).max() < 1e-6
    assert 0.0 < cover[20:26, 10].min() < 1.0, "there is a soft rim, with padding beside it"


@pytest.mark.parametrize(
    ("operation", "channels"), list(itertools.product(["txt2img", "img2img"], [Channels.RGBA, Channels.RGB]))
)
def test_of_a_whole_picture_the_islands_and_their_padding_show(operation: str, channels: Channels) -> None:
    alpha = channels.has_alpha
    format = PixelFormat(channels, alpha=Alpha.STRAIGHT if alpha else Alpha.NONE)
    options: dict[str, Any] = {"output_layout": format_to_layout(format)}
    if alpha:
        options["result_form"] = pb.RESULT_FORM_LAYER
    made = np.random.default_rng(2).uniform(0.0, 1.0, (EDGE, EDGE, 3)).astype(np.float32)
    samples = finish_picture(planned(given(operation, photo(EDGE, EDGE), **options)), made).samples
    where, source, _ = ring("all")
    shows = islands() | where
    painted = np.rint(made * 255).astype(np.uint8)
    assert np.array_equal(samples[..., :3][islands()], painted[islands()])
    single = where & (source >= 0)
    assert np.array_equal(samples[..., :3][single], painted.reshape(-1, 3)[source[single]])
    if alpha:
        assert (samples[..., 3][shows] == 255).all() and (samples[..., 3][~shows] == 0).all()
