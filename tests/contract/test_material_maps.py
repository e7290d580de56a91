"""Maps of a material from the shell, with a real daemon and a real worker."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pictures

from tests.support.installation import Installation

pytestmark = pytest.mark.slow


@pytest.fixture
def bumps(tmp_path: Path) -> Path:
    """Waves that meet at left and right, with half a wave too much from top to bottom."""
    x, y = np.meshgrid(np.arange(96), np.arange(64))
    values = 128 + 60 * np.sin(x * 2 * np.pi / 24) + 40 * np.sin(y * 2 * np.pi * 2.5 / 64)
    Pictures.fromarray(np.repeat(values[..., None], 3, axis=2).astype(np.uint8)).save(tmp_path / "wall.png")
    return tmp_path / "wall.png"


def array(path: str) -> np.ndarray:
    with Pictures.open(path) as image:
        return np.asarray(image).astype(np.float64)


def test_one_command_makes_the_whole_set(installation: Installation, bumps: Path, tmp_path: Path) -> None:
    folder = tmp_path / "set" / "of maps"
    said = installation.json(
        "textures", "maps", str(bumps), "-o", str(folder), "--tile", "x", "--relief", "6"
    )
    files = said["maps"]
    assert [Path(file).name for file in files.values()] == [
        "wall_height.png",
        "wall_normal.png",
        "wall_roughness.png",
        "wall_ambient_occlusion.png",
    ]
    height, normal = array(files["height-map"]), array(files["normal-map"])
    assert height.shape == (64, 96) and len(np.unique(height)) > 300, "more steps than a byte has"
    assert normal.shape == (64, 96, 3)
    occlusion, roughness = array(files["occlusion-map"]), array(files["roughness-map"])
    assert occlusion.shape == roughness.shape == (64, 96)
    assert occlusion[height > 55_000].mean() > occlusion[height < 10_000].mean() + 5, "hollows are darker"
    # What rises to the right leans left; and the seam is like any other step of the same wave.
    rising = np.gradient(height, axis=1)[:, 1:-1]
    assert np.corrcoef(rising.ravel(), normal[:, 1:-1, 0].ravel())[0, 1] < -0.95
    assert np.abs(normal[:, 0] - normal[:, 24]).max() <= 2, "one wave further on, the same"
    turned = installation.json("textures", "maps", str(bumps), "-o", str(folder), "--tile", "x", "--directx")
    assert np.abs(array(turned["maps"]["normal-map"])[..., 1] + normal[..., 1] - 255).mean() < 8


def test_a_file_where_the_folder_shall_be_is_refused(installation: Installation, bumps: Path) -> None:
    said = installation.run("textures", "maps", str(bumps), "-o", str(bumps))
    assert said.returncode == 2
    assert "is a file" in " ".join(said.stderr.split())
