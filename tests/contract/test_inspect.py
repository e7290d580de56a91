"""Pictures of the command line say how they were made, and can be made again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image as Pictures
from PIL.PngImagePlugin import PngInfo

from tests.support.installation import Installation

PAINT = ("--steps", "3", "--seed", "5", "--size", "96x64")


def _pixels(path: Path) -> np.ndarray:
    with Pictures.open(path) as image:
        return np.asarray(image.convert("RGBA"))


def test_a_picture_is_made_again_from_its_own_file(installation: Installation, tmp_path: Path) -> None:
    first, second = tmp_path / "a.png", tmp_path / "b.png"
    made = installation.json("txt2img", "red brick", "-o", str(first), *PAINT)
    told = installation.json("inspect", str(first))
    (record,) = told["pictures"]
    assert record["request"] == made["request"]
    assert record["model_sha256"] == made["model_sha256"] and record["model_sha256"]
    assert told["source_type"] == "trainedAlgorithmicMedia"
    assert told["parameters"]["values"]["Seed"] == "5"
    again = installation.json("inspect", str(first), "--again", str(second))
    assert again["notes"] == []
    assert np.array_equal(_pixels(first), _pixels(second))


def test_a_fill_is_made_again_with_what_it_started_from(installation: Installation, tmp_path: Path) -> None:
    picture, mask = tmp_path / "picture.png", tmp_path / "mask.png"
    x, y = np.meshgrid(np.arange(96), np.arange(64))
    Pictures.fromarray(np.stack([x + 60, y + 90, 200 - x], axis=2).astype(np.uint8)).save(picture)
    Pictures.fromarray(((abs(x - 40) < 14) & (abs(y - 30) < 12)).astype(np.uint8) * 255).save(mask)
    first, second = tmp_path / "a.png", tmp_path / "b.png"
    fill = ("inpaint", str(picture), "moss", "--mask", str(mask), "-o", str(first))
    installation.json(*fill, "--steps", "3", "--seed", "5")
    assert installation.json("inspect", str(first))["source_type"] == "compositeWithTrainedAlgorithmicMedia"
    refused = installation.run("inspect", str(first), "--again", str(second))
    assert refused.returncode == 2 and "--image" in refused.stderr
    sources = ("--image", str(picture), "--mask", str(mask))
    installation.json("inspect", str(first), "--again", str(second), *sources)
    assert np.array_equal(_pixels(first), _pixels(second))


def test_prompts_stay_out_of_a_private_file(installation: Installation, tmp_path: Path) -> None:
    target = tmp_path / "a.png"
    installation.json("txt2img", "red brick", "-o", str(target), "--private", *PAINT)
    assert b"red brick" not in target.read_bytes()
    (record,) = installation.json("inspect", str(target))["pictures"]
    assert record["request"]["seed"] == 5 and "prompt" not in record["request"]


def test_another_programs_text_gives_a_picture_like_it(installation: Installation, tmp_path: Path) -> None:
    info = PngInfo()
    info.add_text("parameters", "red brick\nSteps: 3, Sampler: Euler, CFG scale: 2, Seed: 5, Size: 96x64")
    source, target = tmp_path / "a.png", tmp_path / "b.png"
    Pictures.new("RGB", (4, 4)).save(source, pnginfo=info)
    again = installation.json("inspect", str(source), "--again", str(target))
    assert again["request"]["scheduler"] == "euler" and again["request"]["steps"] == 3
    assert "another program" in again["notes"][0]
    assert _pixels(target).shape == (64, 96, 4)
