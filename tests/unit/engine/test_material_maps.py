"""The maps of a material: exact where the height is known, alike on both sides of edges that meet."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.engine.test_preprocessors import KNOWN, run
from underpaint.engine.preprocessors import fields
from underpaint.engine.preprocessors.materials import height_map
from underpaint.errors import JobCancelled
from underpaint.types import Tiling

MAPS = ("height-map", "normal-map", "roughness-map", "occlusion-map")
AS_IT_IS = {"from_height": 1.0, "smooth": 0.0}
SIZES = ((64, 64), (37, 53), (24, 160))


def picture(height: int = 48, width: int = 64, seed: int = 1) -> np.ndarray:
    """Seamless noise of several sizes, RGBA."""
    noise = np.random.default_rng(seed).random((height, width, 3)).astype(np.float32)
    soft = np.stack([fields.soften(noise[..., c], 2.0, Tiling.XY) for c in range(3)], axis=2)
    made = np.ones((height, width, 4), np.float32)
    made[..., :3] = np.clip(0.5 + 3.0 * (soft - 0.5) + 0.1 * (noise - 0.5), 0.0, 1.0)
    return made


def grey(height: np.ndarray) -> np.ndarray:
    made = np.ones((*height.shape, 4), np.float32)
    made[..., :3] = height[..., None]
    return made


def vectors(normal_map: np.ndarray) -> np.ndarray:
    return np.asarray(normal_map * 2.0 - 1.0)


def test_the_normals_of_a_ramp_are_exact_up_to_its_edges() -> None:
    columns = np.linspace(0.0, 1.0, 33, dtype=np.float32)
    found = vectors(run("normal-map", grey(np.tile(columns, (20, 1))), relief=16.0, **AS_IT_IS))
    # It rises half a pixel a pixel to the right, so its normal leans left.
    expected = np.array([-0.5, 0.0, 1.0]) / np.sqrt(1.25)
    assert np.abs(found - expected).max() < 1e-5
    up = vectors(run("normal-map", grey(np.tile(columns[::-1, None], (1, 20))), relief=16.0, **AS_IT_IS))
    assert np.abs(up - expected[[1, 0, 2]]).max() < 1e-5, (
        "what rises towards the top leans down: green below 0.5"
    )
    directx = vectors(
        run("normal-map", grey(np.tile(columns[::-1, None], (1, 20))), relief=16.0, directx=1.0, **AS_IT_IS)
    )
    assert np.abs(directx - expected[[1, 0, 2]] * [1, -1, 1]).max() < 1e-5


def test_the_normals_of_a_hemisphere_point_away_from_its_centre() -> None:
    y, x = np.mgrid[0:129, 0:129].astype(np.float32) - 64.0
    radius, across = 60.0, np.hypot(x, y)
    dome = np.sqrt(np.maximum(radius**2 - across**2, 0.0))
    found = vectors(run("normal-map", grey(dome / radius), relief=radius, **AS_IT_IS))
    inside = across < 0.8 * radius
    expected = np.stack([x, -y, dome], axis=2) / radius
    assert np.abs(found - expected)[inside].max() < 2e-3
    assert np.abs(found - expected * [1, -1, 1])[inside].max() > 1.0, "and not as DirectX has them"


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_edges_that_meet_are_like_any_other_place(name: str, size: tuple[int, int]) -> None:
    given = picture(*size)
    made = run(name, given, wrap_x=1.0, wrap_y=1.0)
    rolled = run(name, np.roll(given, (11, 17), axis=(0, 1)), wrap_x=1.0, wrap_y=1.0)
    assert np.abs(np.roll(made, (11, 17), axis=(0, 1)) - rolled).max() < 2e-4
    one = run(name, given, wrap_x=1.0)
    assert np.abs(np.roll(one, 17, axis=1) - run(name, np.roll(given, 17, axis=1), wrap_x=1.0)).max() < 2e-4
    open_edges = run(name, given)
    assert np.abs(open_edges - made).max() > 1e-3, "the switches do something"


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_steps_over_edges_that_meet_are_no_larger_than_steps_elsewhere(
    name: str, size: tuple[int, int]
) -> None:
    made = run(name, picture(*size), wrap_x=1.0, wrap_y=1.0)
    for axis in (0, 1):
        steps = np.abs(np.roll(made, -1, axis=axis) - made)
        lines = steps.reshape(*made.shape[:2], -1).mean(axis=(1 - axis, 2))
        assert lines[-1] <= lines[:-1].max() * 1.25, (lines[-1], lines[:-1].max())


def test_uneven_light_is_no_height_and_a_plain_picture_is_flat() -> None:
    bumps = picture(96, 96)
    light = np.linspace(-0.3, 0.3, 96, dtype=np.float32)[None, :, None]
    lit = bumps.copy()
    lit[..., :3] = np.clip(bumps[..., :3] * 0.4 + 0.3 + light, 0.0, 1.0)
    made = run("height-map", lit)
    assert abs(made[:, :32].mean() - made[:, -32:].mean()) < 0.15
    kept = run("height-map", lit, flatten=0.0)
    assert kept[:, -32:].mean() - kept[:, :32].mean() > 0.3
    assert np.allclose(run("height-map", grey(np.full((32, 32), 0.3, np.float32))), 0.5, atol=1e-4)
    assert np.abs(run("height-map", bumps, invert=1.0) + run("height-map", bumps) - 1.0).max() < 1e-5


def test_what_is_uneven_is_rougher_and_what_is_even_has_the_base() -> None:
    height = np.full((64, 128), 0.5, np.float32)
    y, x = np.mgrid[0:64, 0:64]
    height[:, :64] += 0.25 * ((x + y) % 2)  # a checkerboard, which no slope of neighbours but Scharr's sees
    height[:, :64] += 0.2 * np.sin(x / 2.0).astype(np.float32)
    made = run("roughness-map", grey(height), base=0.4, **AS_IT_IS)
    assert np.abs(made[:, -32:] - 0.4).max() < 1e-3
    assert made[:, 16:48].mean() > 0.5


def test_roughness_of_waves_is_that_of_their_slopes() -> None:
    x = np.arange(256, dtype=np.float32)
    # A small wave's slope has the deviation a·k/√2, and Beckmann's alpha is √2 times that.
    wave, number = 0.4, 2.0 * np.pi / 16.0
    height = np.tile(0.5 + wave / 8.0 * np.sin(x * number), (64, 1)).astype(np.float32)
    made = run(
        "roughness-map", grey(height), base=0.0, share=1.0, scale=32.0, relief=8.0, wrap_x=1.0, **AS_IT_IS
    )
    slope = wave * np.sin(number)  # as a difference over two pixels sees it
    assert np.abs(made - np.sqrt(slope / np.sqrt(2.0))).max() < 5e-3


def test_a_trench_sees_the_sky_that_its_walls_leave() -> None:
    width, depth = 20, 15.0
    height = np.full((80, 121), depth, np.float32)
    height[:, 60 - width : 60 + width + 1] = 0.0
    seen = fields.sky(height, 60, Tiling.Y, lambda: None)
    angles = np.arange(16) * (2.0 * np.pi / 16)
    tangent = depth * np.abs(np.cos(angles)) / (width + 1)
    expected = float((1.0 / (1.0 + tangent**2)).mean())
    assert abs(float(seen[40, 60]) - expected) < 0.02
    assert seen[40, 5] == 1.0, "nothing stands above the plain"
    assert seen[40, 60] > seen[40, 60 - width], "the foot of a wall is darker"
    made = run(
        "occlusion-map", grey(height / depth), relief=depth, strength=0.5, radius=60, wrap_y=1.0, **AS_IT_IS
    )
    assert abs(float(made[40, 60]) - (1.0 + expected) / 2.0) < 0.02


def test_a_blur_of_any_width_keeps_the_mean_and_is_gaussian() -> None:
    dot = np.zeros((65, 65), np.float32)
    dot[32, 32] = 1.0
    soft = fields.soften(dot, 3.0, Tiling.NONE)
    y, x = np.mgrid[-32:33, -32:33]
    assert np.abs(soft - np.exp(-(x**2 + y**2) / 18.0) / (18.0 * np.pi)).max() < 1e-6
    field = picture()[..., 0]
    for tiling in Tiling:
        assert abs(fields.soften(field, 200.0, tiling).mean() - field.mean()) < 1e-4


@pytest.mark.parametrize("name", MAPS)
def test_a_tiny_picture_has_maps_too(name: str) -> None:
    for size in ((1, 1), (1, 5), (3, 2)):
        for wrap in (0.0, 1.0):
            made = run(name, picture(*size), wrap_x=wrap, wrap_y=wrap)
            assert made.shape[:2] == size and np.isfinite(made).all()


def test_a_cancelled_map_stops() -> None:
    def check() -> None:
        raise JobCancelled("cancelled")

    values = {one.name: one.default for one in KNOWN["height-map"].parameters}
    with pytest.raises(JobCancelled):
        height_map(picture(), values, check)
