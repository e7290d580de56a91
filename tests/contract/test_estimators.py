"""Preprocessors through networks, from the command line down to the real worker and its weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pictures

from tests import tiny_estimators
from tests.support.installation import Installation
from tests.unit.engine.stock import photo
from underpaint.engine.preprocessors import ade20k, skeleton

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pictures") / "photo.png"
    Pictures.fromarray(photo(96, 64)).save(path)
    return path


def test_segments_are_refused_without_weights_and_made_with_them(
    installation: Installation, source: Path, tmp_path: Path
) -> None:
    made = tmp_path / "segments.png"
    refused = installation.run("preprocess", "segmentation", str(source), "-o", str(made))
    assert refused.returncode == 1 and not made.exists()
    assert "underpaint models import openmmlab/upernet-convnext-small" in " ".join(refused.stderr.split())
    listed = {one["name"]: one for one in installation.json("preprocess", "--list")}
    assert "needs weights" in listed["segmentation"]["problem"] and not listed["canny"]["problem"]

    root = tmp_path / "networks"
    tiny_estimators.segformer(root / "streets")
    assert installation.run("models", "roots", "add", str(root)).returncode == 0
    (found,) = installation.json("models", "list", "--kind", "estimator")["models"]
    assert (found["name"], found["family"]) == ("estimator:streets", "segmentation/mask")
    listed = {one["name"]: one for one in installation.json("preprocess", "--list")}
    assert not listed["segmentation"]["problem"]

    assert installation.run("preprocess", "segmentation", str(source), "-o", str(made)).returncode == 0
    with Pictures.open(made) as picture:
        assert (picture.size, picture.mode) == ((96, 64), "RGB")
        painted = np.asarray(picture)
    names = {tuple(colour): name for name, *colour in ade20k.CLASSES}
    shown = {names[tuple(colour)] for colour in np.unique(painted.reshape(-1, 3), axis=0).tolist()}
    assert len(shown) > 3

    mask = tmp_path / "mask.png"
    number = [name for name, *_ in ade20k.CLASSES].index(sorted(shown)[0])
    arguments = ("preprocess", "class-mask", str(source), "-p", f"class={number}", "-o", str(mask))
    assert installation.run(*arguments).returncode == 0
    with Pictures.open(mask) as picture:
        assert picture.mode == "L"
        inside = (painted == ade20k.CLASSES[number][1:]).all(axis=2)
        assert np.array_equal(np.asarray(picture) == 255, inside)


def test_a_pose_is_found_alone_and_for_a_control_and_needs_no_more_than_joints(
    installation: Installation, tiny_root: Path, source: Path, tmp_path: Path
) -> None:
    root = tmp_path / "networks"
    tiny_estimators.vitpose(root / "joints")
    shutil.copytree(tiny_root / "tiny-lines", root / "tiny-openpose")
    (root / "tiny-openpose" / "underpaint.json").write_text(json.dumps({"roles": ["pose"]}))
    assert installation.run("models", "roots", "add", str(root)).returncode == 0
    alone, several = tmp_path / "alone.png", tmp_path / "several.png"
    assert installation.run("preprocess", "pose", str(source), "-o", str(alone)).returncode == 0
    with Pictures.open(alone) as picture:
        painted = {tuple(colour) for colour in np.asarray(picture).reshape(-1, 3).tolist()}
    assert painted & set(skeleton.COLOURS) and (0, 0, 0) in painted

    tiny_estimators.rt_detr(root / "people")
    listed = installation.json("models", "list", "--kind", "estimator")["models"]
    assert [(one["name"], one["family"]) for one in listed if one["path"].startswith(str(root))] == [
        ("estimator:joints", "pose"),
        ("estimator:people", "pose"),
    ]
    arguments = ("preprocess", "pose", str(source), "-p", "people=0.2", "-o", str(several))
    assert installation.run(*arguments).returncode == 0
    assert alone.read_bytes() != several.read_bytes()

    def painted_with(*controls: str) -> np.ndarray:
        made = tmp_path / "made.png"
        more = [word for control in controls for word in ("--control", control)]
        arguments = ("txt2img", "brick", "--model", "tiny", "--size", "96x64", "--steps", "2", "--seed", "3")
        done = installation.run(*arguments, *more, "-o", str(made))
        assert done.returncode == 0, done.stderr
        with Pictures.open(made) as picture:
            return np.asarray(picture)

    kept_to = painted_with(f"pose={source},preprocess=pose")
    assert (kept_to != painted_with()).mean() > 0.2
    (root / "people").rename(tmp_path / "gone")
    assert (kept_to != painted_with(f"pose={source},preprocess=pose")).mean() > 0.05
    # The same by hand: the preprocessor's picture as it is.
    assert (painted_with(f"pose={alone}") == painted_with(f"pose={source},preprocess=pose")).mean() > 0.95
