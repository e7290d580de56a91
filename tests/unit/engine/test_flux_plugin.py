"""Which folders are FLUX.1's, told without torch."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from underpaint.engine.families.flux_plugin import recognise
from underpaint.errors import ModelUnusable
from underpaint.hookspecs import ModelTraits


def look(folder: Path) -> ModelTraits | None:
    return recognise(folder, json.loads((folder / "model_index.json").read_text()))


@pytest.fixture
def dev(models: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(models / "flux-dev", tmp_path / "dev"))


@pytest.mark.parametrize(
    ("model", "operations", "steps", "guidance"),
    [
        ("flux-dev", ("txt2img", "img2img", "inpaint"), 28, 3.5),
        ("flux-schnell", ("txt2img", "img2img", "inpaint"), 4, 1.0),
        ("flux-fill", ("inpaint",), 50, 30.0),
        ("flux-kontext", ("txt2img", "edit", "inpaint"), 28, 2.5),
    ],
)
def test_each_kind_is_told_from_its_configuration(
    models: Path, tmp_path: Path, model: str, operations: tuple[str, ...], steps: int, guidance: float
) -> None:
    folder = Path(shutil.copytree(models / model, tmp_path / model))
    (folder / "underpaint.json").unlink()
    traits = look(folder)
    assert traits is not None
    assert traits.operations == operations
    assert traits.native_inpainting == (model == "flux-fill")
    assert bool(traits.control_base) == (model in ("flux-dev", "flux-schnell"))
    assert (traits.default_steps, traits.default_guidance_scale) == (steps, guidance)
    assert (traits.native_size, traits.size_multiple) == (1024, 16)
    assert traits.default_scheduler == "flow-match-euler"
    assert set(traits.components) == {
        *("transformer", "vae", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2", "scheduler")
    }


def test_a_folder_may_say_more(models: Path) -> None:
    traits = look(models / "flux-dev")
    assert traits is not None
    assert (traits.title, traits.license) == ("Tiny random flux-dev", "Apache-2.0")
    assert (traits.native_size, traits.min_size, traits.default_steps) == (64, 32, 4)


@pytest.mark.parametrize("model", ["plain", "sdxl"])
def test_other_families_are_left_to_others(models: Path, model: str) -> None:
    assert look(models / model) is None


@pytest.mark.parametrize("component", ["transformer", "text_encoder_2", "tokenizer_2", "vae"])
def test_a_missing_component_is_named(dev: Path, component: str) -> None:
    shutil.rmtree(dev / component)
    with pytest.raises(ModelUnusable, match=component):
        look(dev)


def test_a_transformer_with_other_channels_is_named(dev: Path) -> None:
    path = dev / "transformer" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "in_channels": 96}))
    with pytest.raises(ModelUnusable, match=r"96 channels; 64 .* or 384 \(Fill\)"):
        look(dev)


def test_a_scheduler_of_another_kind_makes_way_for_the_familys(dev: Path) -> None:
    path = dev / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "_class_name": "UniPCMultistepScheduler"}))
    traits = look(dev)
    assert traits is not None and traits.default_scheduler == "flow-match-euler"


def test_recognition_needs_no_torch() -> None:
    code = (
        "import sys; from underpaint.engine.families import flux_plugin; "
        "sys.exit(any(name in sys.modules for name in ('torch', 'diffusers', 'numpy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
