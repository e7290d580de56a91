from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.engine.stock import disc, photo
from underpaint.engine.inpaint import layer, mask_bounds, match_colors, merge, prepare_masks, resize
from underpaint.engine.pixels import Raster, canonicalise
from underpaint.geometry import MaskPlan, Size, mask_plan
from underpaint.types import Alpha, Bounds, Channels, ColorSpace, DataType, PixelFormat, RowOrder, Tiling


def circle(radius: float, size: int = 200) -> np.ndarray:
    return disc(size, size, radius, size / 2, size / 2).astype(np.float32) / 255


def plan_for(mask: np.ndarray) -> MaskPlan:
    return mask_plan(mask_bounds(mask), 1.0)


@pytest.mark.parametrize(
    ("box", "bounds"),
    [
        ((3, 5, 4, 9), Bounds(13, 25, 4, 9)),
        ((0, 0, 1, 1), Bounds(10, 20, 1, 1)),
        ((0, 0, 30, 40), Bounds(10, 20, 30, 40)),
    ],
)
def test_the_bounds_of_a_mask_are_tight(box: tuple[int, int, int, int], bounds: Bounds) -> None:
    mask = np.zeros((40, 30), np.float32)
    mask[box[1] : box[1] + box[3], box[0] : box[0] + box[2]] = 0.01
    assert mask_bounds(mask, 10, 20) == bounds
    assert mask_bounds(np.zeros_like(mask)).is_empty


@pytest.mark.parametrize("radius", [1.0, 3.0, 12.0, 60.0])
def test_the_two_masks_of_a_disc(radius: float) -> None:
    mask = circle(radius)
    plan = plan_for(mask)
    masks = prepare_masks(mask, plan)
    rows, columns = np.mgrid[0:200, 0:200]
    away = np.hypot(columns - 100, rows - 100)
    # It grows by exactly as much as planned.
    assert (masks.grown[away > radius + plan.grow + 0.5] == 0).all()
    assert (masks.grown[away < radius + plan.grow - 1.5] == 1).all()
    # The model repaints the whole selection; the picture changes nowhere outside the grown one.
    assert (masks.denoise[mask > 0] == 1).all()
    assert (masks.composite[masks.grown == 0] == 0).all()
    # The selection's middle is fully new, its rim mostly.
    assert masks.composite[100, 100] == pytest.approx(1.0, abs=1e-3)
    assert masks.composite[mask > 0].min() > 0.45


def test_thin_and_small_islands_stay_visible_beside_large_ones() -> None:
    mask = np.zeros((300, 300), np.float32)
    mask[20:200, 20:200] = 1
    mask[250:252, 20:280] = 1
    mask[230, 250] = 1
    masks = prepare_masks(mask, MaskPlan(grow=0.0, feather=40.0, pad=0.0))
    assert masks.composite[110, 110] == 1
    assert masks.composite[250:252, 150].max() > 0.9
    assert masks.composite[230, 250] > 0.9
    assert ((masks.composite > 0) <= (mask > 0)).all()


def test_without_growth_and_feather_a_mask_stays_what_it_is() -> None:
    mask = circle(30)
    masks = prepare_masks(mask, MaskPlan(0.0, 0.0, 0.0))
    for one in (masks.grown, masks.denoise, masks.composite):
        assert (one == mask).all()


def test_a_soft_selection_keeps_its_coverage_and_carries_it_outwards() -> None:
    mask = circle(40) * 0.5
    masks = prepare_masks(mask, MaskPlan(grow=10.0, feather=4.0, pad=0.0))
    assert masks.grown[100, 100] == masks.denoise[100, 100] == 0.5
    assert masks.composite[100, 100] == 0.5
    assert masks.grown[100, 145] == pytest.approx(0.5, abs=1 / 16)
    assert masks.grown[100, 155] == 0


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**31), st.floats(0, 30), st.floats(0, 40), st.booleans())
def test_masks_hold_what_they_promise(seed: int, grow: float, feather: float, soft: bool) -> None:
    rng = np.random.default_rng(seed)
    mask = np.zeros((60, 70), np.float32)
    for _ in range(rng.integers(1, 4)):
        x, y, w, h = rng.integers(0, 60), rng.integers(0, 50), rng.integers(1, 30), rng.integers(1, 30)
        mask[y : y + h, x : x + w] = rng.uniform(0.01, 1) if soft else 1.0
    masks = prepare_masks(mask, MaskPlan(grow, feather, 0.0))
    for one in (masks.grown, masks.denoise, masks.composite):
        assert one.dtype == np.float32 and one.min() >= 0 and one.max() <= 1
    assert (masks.grown >= mask).all()
    assert (masks.composite <= masks.grown).all()
    assert masks.composite.max() > 0


@pytest.mark.parametrize("size", [(64, 64), (33, 90), (200, 20), (128, 96)])
def test_scaling_keeps_flat_colour_and_range(size: tuple[int, int]) -> None:
    flat = np.full((80, 100, 3), 0.25, np.float32)
    assert resize(flat, Size(*size)) == pytest.approx(np.full((size[1], size[0], 3), 0.25), abs=1e-5)
    hard = (photo(100, 80) > 127).astype(np.float32)
    scaled = resize(hard, Size(*size))
    assert scaled.shape == (size[1], size[0], 3) and scaled.min() >= 0 and scaled.max() <= 1
    assert resize(hard[..., 0], Size(*size)).shape == (size[1], size[0])


def test_a_picture_at_its_own_size_is_not_touched() -> None:
    picture = photo(100, 80).astype(np.float32) / 255
    assert resize(picture, Size(100, 80)) is picture


@pytest.mark.parametrize(("width", "height"), [(96, 128), (200, 64), (48, 40)])
def test_scaling_a_seamless_picture_keeps_it_seamless(width: int, height: int) -> None:
    y, x = np.mgrid[0:64, 0:64] / 64 * 2 * np.pi
    wave = np.stack([np.sin(x + 1), np.cos(3 * y), np.sin(2 * x + y)], axis=2) * 0.4 + 0.5
    wave = wave.astype(np.float32)

    def seam(tiling: Tiling) -> float:
        once = resize(wave, Size(width, height), tiling)
        twice = resize(np.tile(wave, (3, 3, 1)), Size(3 * width, 3 * height), tiling)
        return float(np.abs(twice[height : 2 * height, width : 2 * width] - once).max())

    assert seam(Tiling.XY) < 1e-4
    if width > 64:
        assert seam(Tiling.NONE) > 1e-3


def test_colours_are_matched_by_what_lies_around_the_mask() -> None:
    original = photo(128, 128).astype(np.float32) / 255
    grown = circle(30, 128)
    shifted = np.clip(original * 0.93 + [0.04, 0.0, 0.02], 0, 1).astype(np.float32)
    known = np.ones((128, 128), np.float32)
    matched = match_colors(shifted, original, grown, known)
    assert np.abs(matched - original).mean() < 0.5 * np.abs(shifted - original).mean()


def test_colours_stay_where_nothing_is_known_around_the_mask() -> None:
    made = photo(32, 32).astype(np.float32) / 255
    whole = np.ones((32, 32), np.float32)
    assert match_colors(made, 1 - made, whole, whole) is made
    assert match_colors(made, 1 - made, circle(8, 32), np.zeros_like(whole)) is made


FORMATS = [
    PixelFormat(),
    PixelFormat(Channels.BGRA, DataType.U16),
    PixelFormat(
        Channels.RGBA, DataType.F32, Alpha.PREMULTIPLIED, ColorSpace.LINEAR_REC709, RowOrder.BOTTOM_UP
    ),
    PixelFormat(Channels.RGB, DataType.F16, Alpha.NONE, ColorSpace.LINEAR_REC709),
    PixelFormat(Channels.GRAY, DataType.U8, Alpha.NONE),
]


@pytest.mark.parametrize("format", FORMATS, ids=lambda format: format.channels.value + format.data_type.value)
def test_merging_keeps_every_bit_outside_the_composite_mask(format: PixelFormat) -> None:
    rng = np.random.default_rng(4)
    # Random bits, not-a-numbers and infinities among them where there are floats.
    bits = rng.integers(0, 256, (40, 50, format.bytes_per_pixel)).astype(np.uint8)
    source = Raster.over(bits.tobytes(), format, 50, 40)
    composite = disc(50, 40, 11, 20, 12).astype(np.float32) / 255
    made = photo(50, 40).astype(np.float32) / 255
    with np.errstate(all="ignore"):
        merged = merge(made, composite, source, canonicalise(source), format)
    outside = composite == 0
    if format.row_order is RowOrder.BOTTOM_UP:
        outside = outside[::-1]
    merged_bits = np.ascontiguousarray(merged).view(np.uint8).reshape(bits.shape)
    assert (merged_bits[outside] == bits[outside]).all()
    assert (merged_bits[~outside] != bits[~outside]).any(axis=1).mean() > 0.9


def test_merging_over_transparent_pixels_shows_the_made_colour_alone() -> None:
    source = Raster.over(np.zeros((4, 4, 4), np.uint8).tobytes(), PixelFormat(), 4, 4)
    made = np.full((4, 4, 3), 0.8, np.float32)
    merged = merge(made, np.full((4, 4), 0.5, np.float32), source, canonicalise(source), PixelFormat())
    # Half covered, and no black of the empty pixels in the colour.
    assert merged[0, 0].tolist() == [204, 204, 204, 128]


def test_a_layer_has_full_colour_under_low_alpha() -> None:
    made = np.full((4, 4, 3), 0.8, np.float32)
    rgba = layer(made, np.linspace(0, 1, 16, dtype=np.float32).reshape(4, 4))
    assert (rgba[..., :3] == made).all()
    assert rgba[0, 0, 3] == 0 and rgba[3, 3, 3] == 1
