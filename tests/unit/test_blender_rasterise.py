"""Faces of a mesh as texels, by Blender's adapter: what a texel's centre says, pixel by pixel."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

FILE = Path(__file__).parents[2] / "plugins/blender/underpaint_blender/rasterise.py"


@pytest.fixture(scope="module")
def module() -> Any:
    spec = importlib.util.spec_from_file_location("rasterise", FILE)
    assert spec is not None and spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def by_centre(triangles: np.ndarray, width: int, height: int) -> np.ndarray:
    """Each texel's centre against each triangle, the texture repeated twice in each direction."""
    mask = np.zeros((height, width), np.bool_)
    for row in range(height):
        for column in range(width):
            for right in range(-2, 3):
                for up in range(-2, 3):
                    point = np.array([(column + 0.5) / width + right, (row + 0.5) / height + up])
                    a, b, c = triangles[:, 0], triangles[:, 1], triangles[:, 2]
                    sides = [
                        (q[:, 0] - p[:, 0]) * (point[1] - p[:, 1])
                        - (q[:, 1] - p[:, 1]) * (point[0] - p[:, 0])
                        for p, q in ((a, b), (b, c), (c, a))
                    ]
                    signs = np.stack(sides)
                    mask[row, column] |= bool(((signs >= 0).all(0) | (signs <= 0).all(0)).any())
    return mask


@pytest.mark.parametrize("seed", range(3))
def test_a_texel_is_in_an_island_if_its_centre_is_in_a_face(module: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    corner = rng.uniform(-1.0, 1.0, (12, 1, 2))
    triangles = corner + rng.uniform(0.0, (0.05, 0.3, 0.9)[seed], (12, 3, 2))
    expected = by_centre(triangles, 23, 17)
    assert np.array_equal(module.covered(triangles, 23, 17, 0, 0, 23, 17), expected)
    part = module.covered(triangles, 23, 17, 5, 3, 11, 9)
    assert np.array_equal(part, expected[3:12, 5:16])


def test_a_square_of_two_triangles_covers_exactly_its_texels(module: Any) -> None:
    square = np.array([[(0.25, 0.5), (0.75, 0.5), (0.75, 1.0)], [(0.25, 0.5), (0.75, 1.0), (0.25, 1.0)]])
    found = module.covered(square, 4096, 4096, 1000, 2000, 100, 100)
    expected = np.zeros((100, 100), np.bool_)
    expected[48:, 24:] = True
    assert np.array_equal(found, expected)


def test_a_large_window_is_drawn_in_bands_that_fit_together(
    module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    triangles = np.random.default_rng(9).uniform(0.0, 1.0, (6, 3, 2))
    whole = module.covered(triangles, 61, 47, 0, 0, 61, 47)
    monkeypatch.setattr(module, "MOST", 200)
    assert np.array_equal(module.covered(triangles, 61, 47, 0, 0, 61, 47), whole)
    assert 0.1 < whole.mean() < 1.0


def test_a_mesh_without_faces_covers_nothing(module: Any) -> None:
    assert not module.covered(np.zeros((0, 3, 2)), 8, 8, 0, 0, 8, 8).any()
