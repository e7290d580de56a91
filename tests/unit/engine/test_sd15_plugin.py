from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from underpaint.engine.families.sd15_plugin import recognise, underpaint_families
from underpaint.errors import ModelUnusable
from underpaint.hookspecs import ModelTraits


def look(folder: Path) -> ModelTraits | None:
    return recognise(folder, json.loads((folder / "model_index.json").read_text()))


@pytest.fixture
def plain(models: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(models / "plain", tmp_path / "plain"))


def test_traits_come_from_the_folder_and_its_own_notes(models: Path) -> None:
    traits = look(models / "plain")
    assert traits is not None
    assert traits.operations == ("txt2img", "img2img", "inpaint")
    assert (traits.native_size, traits.size_multiple, traits.min_size, traits.max_size) == (64, 8, 16, 256)
    assert (traits.default_steps, traits.default_guidance_scale, traits.default_scheduler) == (4, 5.0, "ddim")
    assert not traits.native_inpainting and traits.license == "Apache-2.0"


def test_without_notes_the_configuration_decides(plain: Path) -> None:
    (plain / "underpaint.json").unlink()
    traits = look(plain)
    assert traits is not None
    assert (traits.native_size, traits.size_multiple, traits.title) == (64, 8, "plain")
    assert traits.default_scheduler == "ddim"


def test_nine_channels_inpaint_natively_and_components_may_be_shared(models: Path) -> None:
    traits = look(models / "small-inpaint")
    assert traits is not None
    assert traits.operations == ("inpaint",) and traits.native_inpainting
    assert traits.components["unet"] == models / "small-inpaint" / "unet"
    assert traits.components["vae"] == models / "small" / "vae"


def test_another_familys_model_is_left_alone(tmp_path: Path) -> None:
    assert recognise(tmp_path, {"_class_name": "FluxPipeline"}) is None


def test_pickles_are_refused_with_a_way_out(plain: Path) -> None:
    weights = plain / "unet" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(ModelUnusable, match="pickle.*safetensors") as caught:
        look(plain)
    assert caught.value.metadata["model"] == "plain"


def test_a_missing_component_is_named(plain: Path) -> None:
    shutil.rmtree(plain / "vae")
    with pytest.raises(ModelUnusable, match="'vae' is missing"):
        look(plain)


@pytest.mark.parametrize("shared", ["../../elsewhere", "/etc", "sub"])
def test_sharing_reaches_siblings_only(plain: Path, shared: str) -> None:
    shutil.rmtree(plain / "vae")
    index = json.loads((plain / "model_index.json").read_text())
    with pytest.raises(ModelUnusable, match="leaves the folder"):
        recognise(plain, {**index, "_shared_from": shared})


def test_an_odd_number_of_channels_is_refused(plain: Path) -> None:
    config = plain / "unet" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "in_channels": 7}))
    with pytest.raises(ModelUnusable, match="7 channels"):
        look(plain)


@pytest.mark.parametrize("content", ["{", "[]"])
def test_broken_notes_are_named(plain: Path, content: str) -> None:
    (plain / "underpaint.json").write_text(content)
    with pytest.raises(ModelUnusable, match=r"underpaint\.json"):
        look(plain)


def test_the_descriptor_is_found_without_torch() -> None:
    assert [family.name for family in underpaint_families()] == ["sd15"]
    code = (
        "import sys, underpaint.engine.families.sd15_plugin as plugin\n"
        "assert plugin.underpaint_families()[0].engine.endswith(':StableDiffusion15')\n"
        "sys.exit(bool({'torch', 'diffusers', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
