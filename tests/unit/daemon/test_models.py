from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path

import pytest

from tests.unit.daemon.harness import write_model
from underpaint.daemon.models import ModelIndex as AnyIndex
from underpaint.daemon.models import choose_defaults, choose_editor, to_info, to_source
from underpaint.daemon.plugins import Plugins
from underpaint.daemon.scan import FoundModel
from underpaint.errors import ModelNotFound, ModelUnusable
from underpaint.hookspecs import FamilyDescriptor, ModelTraits

# What is installed beside us must not stand in these lists.
ModelIndex = partial(AnyIndex, load_plugins=partial(Plugins, installed_models=False))


async def test_models_are_found_with_their_traits_and_size(tmp_path: Path) -> None:
    write_model(tmp_path, "tiny", title="A tiny one", default_steps=7, license="MIT")
    (tmp_path / "not-a-model").mkdir()
    (found,) = await ModelIndex([tmp_path]).all()
    info = to_info(found, loaded=True)
    assert (info.name, info.title, info.family, info.default_steps) == ("tiny", "A tiny one", "sd15", 7)
    assert (info.size_bytes, info.loaded, info.license) == (3 * 64, True, "MIT")
    source = to_source(found)
    assert source.components["unet"] == str(tmp_path / "tiny" / "unet")
    assert source.engine.startswith("underpaint.engine.")


async def test_a_changed_folder_is_read_again_and_an_unchanged_one_is_not(tmp_path: Path) -> None:
    folder = write_model(tmp_path, "tiny", title="before")
    index = ModelIndex([tmp_path])
    (first,) = await index.all()
    assert (await index.all())[0] is first
    (folder / "underpaint.json").write_text(json.dumps({"title": "after"}))
    os.utime(folder / "underpaint.json", ns=(1, 1))
    (second,) = await index.all()
    assert second.traits is not None
    assert second.traits.title == "after"


async def test_the_earlier_root_wins(tmp_path: Path) -> None:
    for root in ("a", "b"):
        write_model(tmp_path / root, "same", title=root)
    found = await ModelIndex([tmp_path / "b", tmp_path / "a"]).find("same")
    assert found.traits is not None
    assert found.traits.title == "b"


async def test_a_folder_anywhere_can_be_named_by_its_absolute_path(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "elsewhere", "mine")
    found = await ModelIndex([]).find(str(folder))
    assert (found.name, found.path) == (str(folder), folder)


@pytest.mark.parametrize(
    "name",
    ["unknown", "../outside", "models/../../outside", "", "./tiny", "/no/such/folder", "x" * 5000, "a\0b"],
)
async def test_a_name_that_is_not_in_a_root_is_not_found_and_the_known_ones_are_listed(
    tmp_path: Path, name: str
) -> None:
    write_model(tmp_path, "outside")
    write_model(tmp_path / "models", "tiny")
    with pytest.raises(ModelNotFound, match="There are: tiny") as raised:
        await ModelIndex([tmp_path / "models"]).find(name)
    assert len(raised.value.message) < 1000


async def test_pickles_are_refused_with_a_way_out(tmp_path: Path) -> None:
    folder = write_model(tmp_path, "old")
    (folder / "unet" / "model.safetensors").rename(folder / "unet" / "diffusion_pytorch_model.bin")
    with pytest.raises(ModelUnusable, match="underpaint models convert") as raised:
        await ModelIndex([tmp_path]).find("old")
    assert "pickle" in raised.value.message
    assert raised.value.metadata["path"] == str(folder)


async def test_a_pickle_that_a_family_overlooks_is_refused_all_the_same(tmp_path: Path) -> None:
    folder = write_model(tmp_path, "old")
    (folder / "tokenizer" / "weights.pt").touch()
    with pytest.raises(ModelUnusable, match="tokenizer comes as a pickle"):
        await ModelIndex([tmp_path]).find("old")


@pytest.mark.parametrize(
    ("index", "problem"),
    [
        ("{", "not valid JSON"),
        ("[]", "does not hold an object"),
        ('{"_class_name": "MysteryPipeline"}', "no engine knows 'MysteryPipeline'"),
        ('{"_class_name": "StableDiffusionPipeline", "_shared_from": "../../outside"}', "outside of"),
        ('{"_class_name": "StableDiffusionPipeline", "_shared_from": "/etc"}', "outside of"),
        ('{"_class_name": "StableDiffusionPipeline", "_shared_from": "../absent"}', "holds no model_index"),
        ('{"_class_name": "StableDiffusionPipeline", "_shared_from": 5}', "relative path"),
    ],
)
async def test_a_broken_model_is_listed_with_its_problem_and_the_rest_go_on(
    tmp_path: Path, index: str, problem: str
) -> None:
    root = tmp_path / "models"
    write_model(tmp_path, "outside")
    write_model(root, "good")
    (write_model(root, "bad") / "model_index.json").write_text(index)
    bad, good = await ModelIndex([root]).all()
    assert problem in bad.problem
    assert not good.problem
    with pytest.raises(ModelUnusable, match="'bad' cannot be used"):
        await ModelIndex([root]).find("bad")


async def test_components_may_come_from_a_sibling(tmp_path: Path) -> None:
    write_model(tmp_path, "base")
    folder = tmp_path / "tuned"
    (folder / "unet").mkdir(parents=True)
    (folder / "unet" / "config.json").write_text('{"in_channels": 9}')
    (folder / "unet" / "model.safetensors").write_bytes(b"0")
    text = '{"_class_name": "StableDiffusionPipeline", "_shared_from": "../base"}'
    (folder / "model_index.json").write_text(text)
    found = await ModelIndex([tmp_path]).find("tuned")
    assert found.traits is not None
    assert found.traits.components["vae"] == tmp_path / "base" / "vae"
    assert found.traits.native_inpainting


async def test_a_family_that_stumbles_over_one_model_leaves_the_others(tmp_path: Path) -> None:
    folder = write_model(tmp_path, "odd")
    (folder / "underpaint.json").write_text('{"native_size_px": "very large"}')
    write_model(tmp_path, "good")
    good, odd = await ModelIndex([tmp_path]).all()
    assert "very large" in odd.problem
    assert good.traits is not None


async def test_a_root_that_is_not_there_is_no_error(tmp_path: Path) -> None:
    assert await ModelIndex([tmp_path / "absent"]).all() == []


def model(name: str, operations: str, *, native: bool = False, family: str = "sd15") -> FoundModel:
    descriptor = FamilyDescriptor(
        name=family, title=family, engine="", schedulers=(), recognise=lambda folder, index: None
    )
    traits = ModelTraits(operations=tuple(operations.split()), components={}, native_inpainting=native)
    return FoundModel(name, Path(name), descriptor, traits)


PAINTS, FILLS = "txt2img img2img inpaint", "inpaint"


@pytest.mark.parametrize(
    ("models", "settings", "expected"),
    [
        ([], ("", ""), ("", "")),
        ([("a", PAINTS), ("swatch", PAINTS)], ("", ""), ("swatch", "swatch")),
        (
            [("a", PAINTS), ("swatch", PAINTS), ("swatch-inpaint", FILLS)],
            ("", ""),
            ("swatch", "swatch-inpaint"),
        ),
        ([("a", PAINTS), ("b", PAINTS)], ("", ""), ("a", "a")),
        ([("b", "txt2img"), ("c", FILLS)], ("", ""), ("b", "c")),
        ([("b", "txt2img")], ("", ""), ("b", "")),
        ([("a", PAINTS), ("b", PAINTS)], ("b", ""), ("b", "b")),
        ([("a", PAINTS), ("swatch", PAINTS), ("swatch-inpaint", FILLS)], ("a", ""), ("a", "a")),
        ([("a", PAINTS), ("b", PAINTS)], ("", "b"), ("a", "b")),
        ([("a", PAINTS)], ("gone", ""), ("gone", "a")),
    ],
)
def test_defaults_follow_the_rule(
    models: list[tuple[str, str]], settings: tuple[str, str], expected: tuple[str, str]
) -> None:
    assert choose_defaults([model(*found) for found in models], *settings) == expected


def test_the_default_model_edits_if_it_can_else_the_first_that_can() -> None:
    models = [model("a", PAINTS), model("kontext", "txt2img edit"), model("other", "edit")]
    assert choose_editor(models, "a") == "kontext"
    assert choose_editor(models, "other") == "other"
    assert choose_editor(models[:1], "a") == ""
    assert choose_editor([FoundModel("broken", Path("broken"), problem="it is")], "") == ""


def test_an_inpainting_model_of_the_same_family_is_preferred() -> None:
    family = model("x", PAINTS).family
    base = FoundModel("base", Path("base"), family, model("base", PAINTS).traits)
    fill = FoundModel("fill", Path("fill"), family, model("fill", FILLS, native=True).traits)
    stranger = model("a-stranger", FILLS, native=True, family="other")
    assert choose_defaults([stranger, base, fill]) == ("base", "fill")
