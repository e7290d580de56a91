"""What is seen of layers, against Pillow where it can say, and where it must be exact to the bit."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pictures

from tests.unit.testing.reference.trees import documents, samples
from underpaint.testing.reference.document import Document
from underpaint.testing.reference.layers import NORMAL, Group, Nodes, PaintLayer
from underpaint.testing.reference.merge import BLENDS, coverage_of, merged, own_pixels
from underpaint.testing.reference.samples import DTYPES, Samples, as_srgb16, from_floats, to_floats
from underpaint.types import Bounds, ColorSpace, DataType

CANVAS = Bounds(0, 0, 9, 9)


def layer(rgba: object, data_type: DataType = DataType.U8, **more: object) -> PaintLayer:
    array = np.array(rgba, DTYPES[data_type]).reshape(1, -1, 4)
    return PaintLayer(name="", samples=array, **more)  # type: ignore[arg-type]


def seen(*layers: PaintLayer | Group, data_type: DataType = DataType.U8) -> list[float]:
    return [float(value) for value in merged(layers, Bounds(0, 0, 1, 1), data_type)[0, 0]]


@given(st.lists(samples(DataType.U8), min_size=1, max_size=4), st.lists(st.integers(-6, 6), min_size=8))
def test_normal_layers_look_as_pillow_composites_them(sheets: list[Samples], places: list[int]) -> None:
    layers = [
        PaintLayer(name="", samples=sheet, x=places[2 * index], y=places[2 * index + 1])
        for index, sheet in enumerate(sheets)
    ]
    expected = Pictures.new("RGBA", (9, 9))
    for found in layers:
        full = Pictures.new("RGBA", (9, 9))
        full.paste(Pictures.fromarray(found.samples), (found.x, found.y))
        expected = Pictures.alpha_composite(expected, full)
    got = merged(tuple(reversed(layers)), CANVAS, DataType.U8).astype(int)
    want = np.asarray(expected).astype(int)
    # Both round after each layer, Pillow in integers; colour matters as much as it is opaque.
    assert np.abs(got[..., 3] - want[..., 3]).max() <= len(layers)
    error = np.abs(got[..., :3] - want[..., :3]) * want[..., 3:] / 255
    assert error.max() <= len(layers)


@settings(max_examples=50)
@given(documents(), st.tuples(st.integers(0, 10), st.integers(0, 10), st.integers(1, 9), st.integers(1, 9)))
def test_a_part_is_a_part_of_the_whole(document: Document, part: tuple[int, int, int, int]) -> None:
    data_type = document.format.data_type
    whole = merged(document.layers, Bounds(0, 0, 20, 20), data_type)
    x, y, width, height = part
    assert np.array_equal(
        merged(document.layers, Bounds(*part), data_type), whole[y : y + height, x : x + width]
    )


@settings(max_examples=50)
@given(documents((NORMAL,)))
def test_in_normal_mode_isolation_makes_no_difference(document: Document) -> None:
    def rebuilt(layers: Nodes, isolated: bool) -> Nodes:
        return tuple(
            Group(
                name=node.name,
                layers=rebuilt(node.layers, isolated),
                visible=node.visible,
                opacity=1.0,
                isolated=isolated,
            )
            if isinstance(node, Group)
            else node
            for node in layers
        )

    data_type = document.format.data_type
    apart, together = (merged(rebuilt(document.layers, flag), CANVAS, data_type) for flag in (True, False))
    difference = np.abs(to_floats(apart) - to_floats(together))
    weighted = np.concatenate([difference[..., :3] * to_floats(apart)[..., 3:], difference[..., 3:]], axis=2)
    assert weighted.max() <= 6 / 255


@pytest.mark.parametrize("data_type", DataType)
def test_clear_and_full_pixels_pass_unchanged(data_type: DataType) -> None:
    rng = np.random.default_rng(5)
    ground = from_floats(rng.random((4, 4, 4)), DTYPES[data_type])
    over = from_floats(rng.random((4, 4, 4)), DTYPES[data_type])
    full = np.iinfo(over.dtype).max if over.dtype.kind == "u" else 1
    over[:2, :, 3] = 0
    over[2:, :, 3] = full
    layers = (PaintLayer(name="over", samples=over), PaintLayer(name="ground", samples=ground))
    found = merged(layers, Bounds(0, 0, 4, 4), data_type)
    assert found[:2].tobytes() == ground[:2].tobytes()
    assert found[2:].tobytes() == over[2:].tobytes()


def test_the_lowest_layer_keeps_the_colour_under_its_alpha_0() -> None:
    assert seen(layer([9, 8, 7, 0]), layer([1, 2, 3, 0])) == [1, 2, 3, 0]


@pytest.mark.parametrize(
    ("data_type", "top"), [(DataType.U8, 255), (DataType.U16, 65535), (DataType.F16, 1), (DataType.F32, 1)]
)
def test_half_of_white_over_black_is_half(data_type: DataType, top: int) -> None:
    white, black = layer([top] * 4, data_type, opacity=0.5), layer([0, 0, 0, top], data_type)
    assert seen(white, black, data_type=data_type)[0] / top == pytest.approx(0.5, abs=0.003)


def test_opacity_of_a_group_counts_once_for_all_in_it() -> None:
    group = Group(name="", layers=(layer([255, 0, 0, 255]), layer([0, 255, 0, 255])), opacity=0.5)
    assert seen(group, layer([0, 0, 0, 255])) == [128, 0, 0, 255]


def test_hidden_layers_and_what_is_in_hidden_groups_are_not_seen() -> None:
    red, green = layer([255, 0, 0, 255], visible=False), layer([0, 255, 0, 255])
    assert seen(red, Group(name="", layers=(green,), visible=False), layer([0, 0, 9, 255])) == [0, 0, 9, 255]


MODES = [  # of 0.25 over 0.5, by the formulas of the W3C's compositing specification
    ("svg:src-over", 0.25),
    ("svg:multiply", 0.125),
    ("svg:screen", 0.625),
    ("svg:overlay", 0.25),
    ("svg:hard-light", 0.25),
    ("svg:darken", 0.25),
    ("svg:lighten", 0.5),
    ("svg:difference", 0.25),
    ("krita:unheard-of", 0.25),
]


@pytest.mark.parametrize(("mode", "expected"), MODES)
def test_modes_blend_as_specified(mode: str, expected: float) -> None:
    over, under = (layer([value] * 3 + [1], DataType.F32, blend=mode) for value in (0.25, 0.5))
    assert seen(over, under, data_type=DataType.F32)[:3] == pytest.approx([expected] * 3)
    assert {row[0] for row in MODES} - {"krita:unheard-of"} == set(BLENDS)


def test_a_mode_in_a_group_reaches_below_it_only_if_the_group_lets_it() -> None:
    dark, ground = (
        layer([0.5, 0.5, 0.5, 1], DataType.F32, blend="svg:multiply"),
        layer([0.5] * 3 + [1], DataType.F32),
    )
    through = Group(name="", layers=(dark,), isolated=False)
    apart = Group(name="", layers=(dark,), isolated=True)
    assert seen(through, ground, data_type=DataType.F32)[0] == pytest.approx(0.25)
    assert seen(apart, ground, data_type=DataType.F32)[0] == pytest.approx(0.5)


def test_what_lies_beyond_one_survives_in_floats() -> None:
    bright = layer([4.0, -0.5, 0.5, 1], DataType.F32)
    assert seen(bright, layer([0, 0, 0, 1], DataType.F32), data_type=DataType.F32) == [4.0, -0.5, 0.5, 1]


def test_own_pixels_are_there_though_a_layer_is_hidden_or_faint() -> None:
    hidden = layer([10, 20, 30, 40], visible=False, opacity=0.1, x=1)
    found = own_pixels(hidden, Bounds(0, 0, 3, 1), DataType.U8)
    assert found[0].tolist() == [[0, 0, 0, 0], [10, 20, 30, 40], [0, 0, 0, 0]]


@pytest.mark.parametrize(
    ("data_type", "half"), [(DataType.U8, 128), (DataType.U16, 32896), (DataType.F16, 0.502)]
)
def test_coverage_is_alpha_in_8_bits(data_type: DataType, half: float) -> None:
    assert coverage_of(layer([0, 0, 0, half], data_type), Bounds(0, 0, 1, 1), data_type) == [[128]]


def test_linear_light_is_encoded_for_files() -> None:
    values = np.array([[[0.0, 0.214041, 1.0, 0.5]]], np.float32)
    encoded = as_srgb16(values, ColorSpace.LINEAR_REC709)[0, 0] / 65535
    assert encoded.tolist() == pytest.approx([0.0, 0.5, 1.0, 0.5], abs=1e-4)


def test_a_small_part_of_a_huge_canvas_costs_what_the_part_costs() -> None:
    small = PaintLayer(name="", samples=np.full((50, 50, 4), 255, np.uint8), x=9000, y=9000)
    tracemalloc.start()
    document = Document(16384, 16384, layers=(Group(name="", layers=(small,)),))
    found = merged(document.layers, Bounds(8900, 8900, 256, 256), DataType.U8)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.count_nonzero(found[..., 3]) == 50 * 50
    assert peak < 20 * found.nbytes
