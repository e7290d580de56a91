"""Weight files in the index: named, told, cached, and refused where nothing runs them."""

from __future__ import annotations

import os
import sqlite3
from functools import partial
from pathlib import Path

import pytest

from tests.support import weight_files as files
from tests.support.weight_files import write_weights
from tests.unit.daemon.harness import write_model
from underpaint.daemon.catalog import Catalog
from underpaint.daemon.models import ModelIndex as AnyIndex
from underpaint.daemon.models import to_info
from underpaint.daemon.plugins import Plugins
from underpaint.daemon.probes import ProbeCache
from underpaint.daemon.roots import kept
from underpaint.errors import ModelNotFound, ModelUnusable
from underpaint.hookspecs import Companions, FamilyDescriptor, ModelTraits
from underpaint.weights import Probe

ModelIndex = partial(AnyIndex, load_plugins=partial(Plugins, installed_models=False))


def _comfyui(root: Path) -> Path:
    models = root / "models"
    write_weights(models / "checkpoints" / "photo" / "sd2.safetensors", files.SD2)
    write_weights(models / "loras" / "moss.safetensors", files.LORA)
    write_weights(models / "loras" / "odd.safetensors", {"a.weight": (4, 4)})
    write_weights(models / "vae" / "soft.safetensors", files.VAE)
    write_weights(models / "embeddings" / "bad-hands.safetensors", files.EMBEDDING)
    write_weights(models / "controlnet" / "lines" / "diffusion_pytorch_model.safetensors", files.CONTROL_NET)
    (models / "loras" / "old.pt").write_bytes(b"never opened")
    (models / "checkpoints" / "old.ckpt").write_bytes(b"never opened")
    (models / "checkpoints" / "half.safetensors").write_bytes(b"\x10")
    return root


async def test_files_of_every_kind_are_listed_with_kind_family_path_and_why_not(tmp_path: Path) -> None:
    root = _comfyui(tmp_path)
    found = [to_info(model, loaded=False) for model in await ModelIndex([root]).all()]
    assert {info.name: (info.kind, info.family) for info in found} == {
        "control-net:lines": ("control-net", "sd15"),
        "embedding:bad-hands": ("embedding", "sd15"),
        "half": ("checkpoint", "unknown"),
        "lora:moss": ("lora", "sd15"),
        "lora:odd": ("lora", "unknown"),
        "lora:old": ("lora", "unknown"),
        "old": ("checkpoint", "unknown"),
        "photo/sd2": ("checkpoint", "sd2"),
        "vae:soft": ("vae", "sd15/sd2/sdxl"),
    }
    problems = {info.name: info.problem for info in found}
    assert "no engine runs sd2 from a single file" in problems["photo/sd2"]
    assert "are pickles" in problems["old"] and "are pickles" in problems["lora:old"]
    assert "download stopped early" in problems["half"]
    assert "cannot use, files of the kind vae" in problems["vae:soft"]
    (moss,) = (info for info in found if info.name == "lora:moss")
    assert moss.path == str(root / "models" / "loras" / "moss.safetensors")
    assert moss.size_bytes == Path(moss.path).stat().st_size


async def test_a_list_shows_what_paints_or_one_kind_or_all(tmp_path: Path) -> None:
    write_model(tmp_path / "models" / "diffusers", "folder")
    index = ModelIndex([_comfyui(tmp_path)])
    assert [model.name for model in await index.all("")] == ["folder", "half", "old", "photo/sd2"]
    assert [model.name for model in await index.all("vae")] == ["vae:soft"]
    assert len(await index.all("all")) == 10
    with pytest.raises(ModelUnusable, match="no engine runs sd2"):
        await index.find("photo/sd2")
    with pytest.raises(ModelNotFound) as raised:
        await index.find("nobody")
    assert "vae:soft" not in raised.value.message and "folder" in raised.value.message


async def test_a_pickle_beside_its_safetensors_is_no_second_model(tmp_path: Path) -> None:
    for name in ("a.ckpt", "z.ckpt"):
        (tmp_path / "one").mkdir(exist_ok=True)
        (tmp_path / "one" / name).write_bytes(b"")
    write_weights(tmp_path / "one" / "a.safetensors", files.SD2)
    write_weights(tmp_path / "two" / "one" / "z.safetensors", files.SD2)
    found = await ModelIndex([tmp_path, tmp_path / "two"]).all("checkpoint")
    assert [(model.name, model.told) for model in found if model.name.startswith("one/")] == [
        ("one/a", "sd2"),
        ("one/z", "sd2"),
    ]


async def test_a_root_that_is_added_while_the_daemon_runs_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "model-roots.json"
    index = ModelIndex([], roots_file=file)
    assert await index.all() == []
    kept.write(file, (_comfyui(tmp_path / "ui"), tmp_path / "absent"))
    assert len(await index.all()) == 9
    file.write_text("{")
    assert await index.all() == []


def test_a_file_is_read_once_and_again_when_it_changes_also_after_a_restart(tmp_path: Path) -> None:
    plugins, cache = Plugins(installed_models=False), tmp_path / "models.sqlite"
    root = _comfyui(tmp_path / "ui")
    first = Catalog([root], cache_file=cache)
    before = first.scan(plugins)
    looked = first.looked
    assert looked == 9
    assert [(f.name, f.told) for f in first.scan(plugins)] == [(f.name, f.told) for f in before]
    assert first.looked == looked

    second = Catalog([root], cache_file=cache)
    assert [(f.name, f.told, f.problem) for f in second.scan(plugins)] == [
        (f.name, f.told, f.problem) for f in before
    ]
    assert second.looked == 0
    moss = root / "models" / "loras" / "moss.safetensors"
    write_weights(moss, {name: (shape[0], 2048) for name, shape in files.LORA.items()})
    os.utime(moss, ns=(5, 5))
    (root / "models" / "loras" / "odd.safetensors").unlink()
    families = {found.name: found.told for found in second.scan(plugins)}
    assert (second.looked, families["lora:moss"], "lora:odd" in families) == (1, "sdxl", False)
    with sqlite3.connect(cache) as connection:
        kept_paths = {path for (path,) in connection.execute("SELECT path FROM probes")}
    connection.close()
    assert len(kept_paths) == 8 and str(root / "models" / "loras" / "odd.safetensors") not in kept_paths


@pytest.mark.parametrize("damage", ["no database", "older rules", "another shape"])
def test_a_cache_that_cannot_be_used_costs_a_second_look_and_nothing_else(
    tmp_path: Path, damage: str
) -> None:
    plugins, cache = Plugins(installed_models=False), tmp_path / "models.sqlite"
    root = _comfyui(tmp_path / "ui")
    Catalog([root], cache_file=cache).scan(plugins)
    if damage == "no database":
        cache.write_bytes(b"garbage " * 1000)
    else:
        change = "PRAGMA user_version = 0" if damage == "older rules" else "UPDATE probes SET found = '{}'"
        with sqlite3.connect(cache) as connection:
            connection.execute(change)
        connection.close()
    again = Catalog([root], cache_file=cache)
    assert len(again.scan(plugins)) == 9
    assert again.looked == 9
    moss = root / "models" / "loras" / "moss.safetensors"
    kept_probes = ProbeCache(cache)
    assert (kept_probes.probe(moss, moss.stat()).kind, kept_probes.looked) == ("lora", 0)


async def test_a_family_of_a_plugin_runs_single_files_and_gets_a_tokenizer(tmp_path: Path) -> None:
    asked: list[Path | None] = []

    def recognise_file(path: Path, probe: Probe, companions: Companions) -> ModelTraits | None:
        if probe.family == "sd2":
            asked.append(companions.tokenizer(probe.vocabulary))
            return ModelTraits(operations=("txt2img",), components={"unet": path})
        if probe.kind == "vae":
            raise RuntimeError("a fault of the plug-in")
        return None

    def load() -> Plugins:
        plugins = Plugins(installed_models=False)
        mine = FamilyDescriptor(
            name="mine",
            title="Mine",
            engine="x:Y",
            schedulers=("euler",),
            recognise=lambda folder, index: None,
            recognise_file=recognise_file,
        )
        plugins.families = (mine,)
        return plugins

    root = _comfyui(tmp_path)
    files.write_tokenizer(root / "comfy" / "sd1_tokenizer")
    index = AnyIndex([root], load_plugins=load)
    found = await index.find("photo/sd2")
    assert found.family is not None and found.family.name == "mine"
    assert asked[-1] == root / "comfy" / "sd1_tokenizer"
    by_path = await index.find(str(root / "models" / "checkpoints" / "photo" / "sd2.safetensors"))
    assert by_path.traits is not None and by_path.kind == "checkpoint"
    (soft,) = await index.all("vae")
    assert "a fault of the plug-in" in soft.problem
