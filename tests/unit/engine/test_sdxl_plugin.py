from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import tomllib

from underpaint.daemon.models import ModelIndex, to_info, to_source
from underpaint.daemon.plugins import Plugins
from underpaint.engine.families.sdxl_plugin import recognise, underpaint_families
from underpaint.errors import ModelUnusable
from underpaint.hookspecs import ModelTraits


def look(folder: Path) -> ModelTraits | None:
    return recognise(folder, json.loads((folder / "model_index.json").read_text()))


@pytest.fixture
def base(models: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(models / "sdxl", tmp_path / "sdxl"))


@pytest.mark.parametrize(
    ("model", "operations"),
    [
        ("sdxl", ("txt2img", "img2img", "inpaint")),
        ("sdxl-inpaint", ("inpaint",)),
        ("sdxl-refiner", ("img2img", "inpaint")),
    ],
)
def test_the_folder_says_what_a_model_can_do(models: Path, model: str, operations: tuple[str, ...]) -> None:
    traits = look(models / model)
    assert traits is not None
    assert traits.operations == operations
    assert traits.native_inpainting == (model == "sdxl-inpaint")
    assert ("text_encoder" in traits.components) == (model != "sdxl-refiner")
    assert {"text_encoder_2", "tokenizer_2"} <= set(traits.components)


def test_without_notes_the_configuration_and_the_familys_defaults_decide(base: Path) -> None:
    (base / "underpaint.json").unlink()
    unet = base / "unet" / "config.json"
    unet.write_text(json.dumps({**json.loads(unet.read_text()), "sample_size": 128}))
    traits = look(base)
    assert traits is not None
    assert (traits.native_size, traits.size_multiple, traits.max_size) == (1024, 8, 4096)
    assert (traits.default_guidance_scale, traits.default_scheduler) == (5.0, "euler")


@pytest.mark.parametrize("name", ["StableDiffusionPipeline", "FluxPipeline", None])
def test_another_familys_model_is_left_alone(tmp_path: Path, name: str | None) -> None:
    assert recognise(tmp_path, {"_class_name": name}) is None


@pytest.mark.parametrize("component", ["text_encoder", "text_encoder_2", "tokenizer_2"])
def test_a_missing_component_is_named(base: Path, component: str) -> None:
    shutil.rmtree(base / component)
    with pytest.raises(ModelUnusable, match=f"'{component}' is missing"):
        look(base)


def test_a_u_net_without_sizes_is_refused(base: Path, models: Path) -> None:
    shutil.copy(models / "plain" / "unet" / "config.json", base / "unet" / "config.json")
    with pytest.raises(ModelUnusable, match="takes no sizes"):
        look(base)


async def test_the_daemon_finds_it_by_the_entry_point_and_hands_on_every_component(models: Path) -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())
    named = project["project"]["entry-points"]["underpaint.engine"]
    entries = [EntryPoint(name, named[name], "underpaint.engine") for name in ("sd15", "sdxl", "flux")]
    index = ModelIndex([models], load_plugins=lambda: Plugins(lambda group: entries, installed_models=False))
    found = {model.name: model for model in await index.all()}
    assert {name: model.problem for name, model in found.items() if model.problem} == {}
    families = {name: to_info(model, loaded=False).family for name, model in found.items()}
    assert families["plain"] == "sd15"
    assert families["sdxl"] == families["sdxl-inpaint"] == families["sdxl-refiner"] == "sdxl"
    source = to_source(found["sdxl-refined"])
    assert source.components["tokenizer_2"] == str(models / "sdxl-refined" / "tokenizer_2")
    assert source.components["refiner_unet"] == str(models / "sdxl-refiner" / "unet")


def test_the_descriptor_is_found_without_torch() -> None:
    assert [family.name for family in underpaint_families()] == ["sdxl"]
    code = (
        "import sys, underpaint.engine.families.sdxl_plugin as plugin\n"
        "assert plugin.underpaint_families()[0].engine.endswith(':StableDiffusionXL')\n"
        "sys.exit(bool({'torch', 'diffusers', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
