"""The preprocessors that ship: what each one sees, on pictures whose edges are known."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pytest

from underpaint.engine.preprocessors import underpaint_preprocessors
from underpaint.engine.preprocessors.surfaces import normal_from_depth, transparent_parts
from underpaint.errors import JobCancelled
from underpaint.hookspecs import PreprocessorDescriptor

# What needs weights has tests of its own.
KNOWN = {descriptor.name: descriptor for descriptor in underpaint_preprocessors() if not descriptor.weights}
LINES = ("canny", "soft-edge", "line-art", "scribble", "straight-lines")


def run(name: str, picture: np.ndarray, **parameters: float) -> np.ndarray:
    descriptor = KNOWN[name]
    module, _, attribute = descriptor.engine.partition(":")
    values = {one.name: one.default for one in descriptor.parameters} | parameters
    before = picture.copy()
    made = getattr(import_module(module), attribute)(picture, values, lambda: None)
    assert np.array_equal(picture, before), "it changed its input"
    return np.asarray(made)


def square(height: int = 96, width: int = 128) -> np.ndarray:
    """Light grey with a dark square in the middle."""
    picture = np.full((height, width, 4), 0.9, np.float32)
    picture[..., 3] = 1.0
    picture[32:64, 48:80, :3] = 0.1
    return picture


def near_border(distance: int, height: int = 96, width: int = 128) -> np.ndarray:
    """Where the square's border is at most so many pixels away."""
    y, x = np.mgrid[0:height, 0:width]
    inside = np.minimum.reduce([y - 31.5, 63.5 - y, x - 47.5, 79.5 - x])
    outside = np.maximum.reduce([31.5 - y, y - 63.5, 47.5 - x, x - 79.5])
    return np.asarray((np.abs(inside) <= distance) & (outside <= distance))


@pytest.mark.parametrize("descriptor", KNOWN.values(), ids=KNOWN)
def test_every_preprocessor_keeps_size_range_and_type(descriptor: PreprocessorDescriptor) -> None:
    generator = np.random.default_rng(1)
    picture = generator.random((37, 53, 4), np.float32)
    made = run(descriptor.name, picture)
    assert made.dtype == np.float32
    assert made.shape in ((37, 53), (37, 53, 3))
    assert made.min() >= 0.0 and made.max() <= 1.0
    assert np.array_equal(made, run(descriptor.name, picture)), "the same picture gives the same result"


@pytest.mark.parametrize("descriptor", KNOWN.values(), ids=KNOWN)
@pytest.mark.parametrize("end", ["minimum", "maximum"])
def test_every_parameter_may_stand_at_either_end(descriptor: PreprocessorDescriptor, end: str) -> None:
    extremes: dict[str, Any] = {one.name: getattr(one, end) for one in descriptor.parameters}
    made = run(descriptor.name, square(), **extremes)
    assert np.isfinite(made).all()


@pytest.mark.parametrize("name", LINES)
def test_lines_lie_on_the_edges_and_nowhere_else(name: str) -> None:
    made = run(name, square())
    assert made.max() > 0.5
    assert made[~near_border(13)].max() < 0.05
    covered = (made > 0.3)[near_border(2)].mean()
    assert covered > 0.2


@pytest.mark.parametrize("name", LINES)
def test_a_plain_picture_has_no_lines(name: str) -> None:
    plain = np.full((64, 64, 4), 0.5, np.float32)
    assert run(name, plain).max() < 0.01


def test_canny_finds_faint_edges_only_if_it_is_asked_to() -> None:
    faint = square()
    faint[32:64, 48:80, :3] = 0.8
    assert run("canny", faint).max() == 0.0
    assert run("canny", faint, low=10, high=20).max() == 1.0


def test_soft_edges_see_colour_where_lightness_is_the_same() -> None:
    picture = np.zeros((64, 64, 4), np.float32)
    picture[...] = (0.8, 0.2, 0.2, 1.0)
    picture[:, 32:] = (0.2, 0.46, 0.2, 1.0)
    assert run("soft-edge", picture)[:, 30:34].max() > 0.9


def test_line_art_keeps_a_dark_line_and_leaves_a_light_one() -> None:
    picture = np.full((64, 64, 4), 0.5, np.float32)
    picture[:, 20:22, :3] = 0.0
    dark = run("line-art", picture)
    assert dark[:, 20:22].min() > 0.5
    picture[:, 20:22, :3] = 1.0
    assert run("line-art", picture)[:, 20:22].max() < 0.05


def test_a_scribble_leaves_small_things_out_and_has_the_width_of_its_pen() -> None:
    picture = square()
    picture[8:12, 8:12, :3] = 0.1
    assert run("scribble", picture, simplify=1.0, shortest=64)[:20, :20].max() == 0.0
    assert run("scribble", picture, simplify=1.0, shortest=0)[:20, :20].max() == 1.0
    thin, thick = (run("scribble", picture, width=width).mean() for width in (2, 10))
    assert thick > 3 * thin > 0


def test_straight_lines_are_drawn_and_bends_and_short_ones_are_not() -> None:
    picture = square()
    y, x = np.mgrid[0:96, 0:128]
    picture[np.hypot(x - 106, y - 48) < 14, :3] = 0.1
    made = run("straight-lines", picture, shortest=20)
    assert made[:, 90:].max() == 0.0 and made[:, :90].sum() > 4 * 28
    assert run("straight-lines", picture, shortest=0)[:, 90:].max() == 1.0
    assert run("straight-lines", picture, shortest=40).max() == 0.0
    assert run("straight-lines", picture, width=5).sum() > 3 * made.sum()


def test_blur_keeps_the_mean_and_takes_the_details() -> None:
    picture = square()
    made = run("blur", picture, radius=32.0)
    assert abs(made.mean() - picture[..., :3].mean()) < 0.01
    assert made.std() < 0.5 * picture[..., :3].std()


def test_normals_point_away_from_what_rises() -> None:
    ramp = np.zeros((32, 64, 4), np.float32)
    ramp[..., :3] = np.linspace(0.0, 1.0, 64, dtype=np.float32)[None, :, None]
    values = {"relief": 63.0, "smooth": 0.0, "near_is_black": 0.0}
    made = normal_from_depth(ramp, values, lambda: None)
    # A slope of one pixel a pixel, rising to the right: the normal leans left by 45 degrees.
    expected = np.array([-(0.5**0.5), 0.0, 0.5**0.5]) * 0.5 + 0.5
    assert np.abs(made[16, 32] - expected).max() < 1e-3
    turned = normal_from_depth(ramp, values | {"near_is_black": 1.0}, lambda: None)
    assert np.abs(turned[16, 32] - expected[[0, 1, 2]] * [-1, 1, 1] - [1, 0, 0]).max() < 1e-3
    upwards = np.ascontiguousarray(ramp.transpose(1, 0, 2)[::-1])
    leaning = normal_from_depth(upwards, values, lambda: None)
    # Rising towards the top: the normal leans down, which is below 0.5 in green.
    assert np.abs(leaning[32, 16] - expected[[1, 0, 2]]).max() < 1e-3


def test_a_flat_depth_has_normals_that_look_at_you() -> None:
    made = run("normal-from-depth", np.full((16, 16, 4), 0.3, np.float32))
    assert np.allclose(made, [0.5, 0.5, 1.0])


@pytest.mark.parametrize("name", LINES)
def test_strokes_on_an_empty_layer_are_strokes_on_paper(name: str) -> None:
    paper = np.ones((96, 96, 4), np.float32)
    paper[20:76, 40:44, :3] = paper[60:64, 10:80, :3] = 0.0
    layer = np.zeros((96, 96, 4), np.float32)  # black under its transparent parts, too
    layer[..., 3] = 1.0 - paper[..., 0]
    found = run(name, layer)
    assert np.abs(found - run(name, paper)).max() < 1e-6
    assert found.max() > 0.5


def test_the_mask_of_transparent_parts_is_one_where_nothing_is() -> None:
    picture = np.ones((4, 4, 4), np.float32)
    picture[:2, :, 3], picture[2, :, 3] = 0.0, 0.25
    made = transparent_parts(picture, {}, lambda: None)
    assert made[:, 0].tolist() == [1.0, 1.0, 0.75, 0.0]


def test_a_long_one_stops_when_its_job_is_cancelled() -> None:
    def check() -> None:
        raise JobCancelled("cancelled")

    from underpaint.engine.preprocessors.lines import soft_edge

    with pytest.raises(JobCancelled):
        soft_edge(square(), {"detail": 1.0, "gain": 1.0}, check)
