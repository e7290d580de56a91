"""Other programs' folders: which there are in a root, and that nothing else is looked at."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.support.weight_files import LORA, write_weights
from underpaint.cli.app import app
from underpaint.daemon.roots import kept, layouts, well_known
from underpaint.daemon.roots.folders import ModelFolder
from underpaint.daemon.roots.walk import walk
from underpaint.errors import InvalidRequest

LAYOUTS: dict[str, tuple[str, list[str], dict[str, str]]] = {
    "an installation of ComfyUI": (
        "comfyui",
        ["models/checkpoints", "models/unet", "models/clip", "models/loras", "models/ipadapter", "output"],
        {
            "models/checkpoints": "checkpoint",
            "models/unet": "transformer",
            "models/clip": "text-encoder",
            "models/loras": "lora",
            "models/ipadapter": "ip-adapter",
        },
    ),
    "ComfyUI's models alone": (
        "comfyui",
        ["checkpoints", "diffusion_models", "upscale_models", "controlnet", "embeddings", "vae"],
        {
            "checkpoints": "checkpoint",
            "diffusion_models": "transformer",
            "vae": "vae",
            "embeddings": "embedding",
            "controlnet": "control-net",
            "upscale_models": "upscaler",
        },
    ),
    "A1111": (
        "a1111",
        ["models/Stable-diffusion", "models/Lora", "models/ESRGAN", "embeddings", "outputs/txt2img"],
        {
            "models/Stable-diffusion": "checkpoint",
            "models/Lora": "lora",
            "models/ESRGAN": "upscaler",
            "embeddings": "embedding",
        },
    ),
    "StabilityMatrix, portable": (
        "stability-matrix",
        ["Data/Models/StableDiffusion", "Data/Models/Lora", "Data/Models/IpAdaptersXl", "Data/Packages"],
        {
            "Data/Models/StableDiffusion": "checkpoint",
            "Data/Models/Lora": "lora",
            "Data/Models/IpAdaptersXl": "ip-adapter",
        },
    ),
    "StabilityMatrix' models alone": (
        "stability-matrix",
        ["StableDiffusion", "TextEncoders", "VAE"],
        {"StableDiffusion": "checkpoint", "TextEncoders": "text-encoder", "VAE": "vae"},
    ),
    "any other folder": ("plain", ["anything"], {".": ""}),
}


@pytest.mark.parametrize(("name", "there", "expected"), LAYOUTS.values(), ids=LAYOUTS.keys())
def test_a_root_is_told_by_its_folders(
    tmp_path: Path, name: str, there: list[str], expected: dict[str, str]
) -> None:
    for folder in there:
        (tmp_path / folder).mkdir(parents=True)
    found = layouts.read(tmp_path)
    assert (found.name, found.problem) == (name, "")
    assert {folder.path.relative_to(tmp_path).as_posix(): folder.kind for folder in found.folders} == expected


EXTRA = """
mine:
    base_path: {base}
    checkpoints: ckpts/
    loras: |
        loras one
        loras-two
    clip: absent
    custom_nodes: ckpts
first:
    is_default: true
    checkpoints: {base}/default
home:
    base_path: $MY_MODELS
    vae: vae
"""


def test_extra_model_paths_are_read_as_comfyui_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_MODELS", str(tmp_path / "elsewhere"))
    for folder in ("a/ckpts", "a/loras one", "a/loras-two", "a/default", "elsewhere/vae"):
        (tmp_path / folder).mkdir(parents=True)
    file = tmp_path / "extra_model_paths.yaml"
    file.write_text(EXTRA.format(base="a"))
    found = layouts.read(file)
    assert (found.name, found.problem) == ("extra-model-paths", "")
    assert [(folder.path.relative_to(tmp_path).as_posix(), folder.kind) for folder in found.folders] == [
        ("a/default", "checkpoint"),
        ("a/ckpts", "checkpoint"),
        ("a/loras one", "lora"),
        ("a/loras-two", "lora"),
        ("elsewhere/vae", "vae"),
    ]


def test_an_installation_of_comfyui_brings_its_extra_paths_and_its_tokenizer(tmp_path: Path) -> None:
    for folder in ("ui/models/checkpoints", "ui/comfy/sd1_tokenizer", "big/ckpts"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "ui" / "extra_model_paths.yaml").write_text("a:\n  base_path: ../big\n  checkpoints: ckpts")
    found = layouts.read(tmp_path / "ui")
    assert [folder.path.name for folder in found.folders] == ["checkpoints", "ckpts"]
    assert found.tokenizers == (tmp_path / "ui" / "comfy" / "sd1_tokenizer",)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("a: [", "not valid YAML"),
        ("!!python/object/apply:os.system ['true']", "not valid YAML"),
        ("- a list", "no groups"),
        ("[" * 5000, "not valid YAML"),
        ("a: " + "x" * (1 << 20), "larger than"),
    ],
)
def test_a_broken_file_of_paths_is_told(tmp_path: Path, content: str, problem: str) -> None:
    file = tmp_path / "extra_model_paths.yaml"
    file.write_text(content)
    found = layouts.read(file)
    assert found.folders == () and problem in found.problem


def _repository(hub: Path, name: str, commits: list[str], main: str = "") -> Path:
    home = hub / f"models--{name.replace('/', '--')}"
    for age, commit in enumerate(commits):
        (home / "snapshots" / commit).mkdir(parents=True)
        os.utime(home / "snapshots" / commit, (age, age))
    if main:
        (home / "refs").mkdir()
        (home / "refs" / "main").write_text(main)
    return home


@pytest.mark.parametrize("above", [False, True])
def test_the_hugging_face_cache_gives_the_snapshot_that_main_names(tmp_path: Path, above: bool) -> None:
    hub = tmp_path / "hub"
    _repository(hub, "me/one", ["aaa", "bbb"], main="aaa")
    _repository(hub, "me/two", ["aaa", "bbb"])
    _repository(hub, "me/three", ["aaa"], main="../../../../etc")
    _repository(hub, "me/four", [])
    (hub / "datasets--me--data" / "snapshots" / "aaa").mkdir(parents=True)
    found = layouts.read(tmp_path if above else hub)
    assert found.name == "hugging-face"
    assert {folder.name: folder.path.name for folder in found.folders} == {
        "me/one": "aaa",
        "me/two": "bbb",
        "me/three": "aaa",
    }


def test_files_are_found_at_any_depth_with_names_from_their_path(tmp_path: Path) -> None:
    for name in ("a.safetensors", "styles/B.SAFETENSORS", "styles/old.ckpt", ".trash/c.safetensors", "d.txt"):
        write_weights(tmp_path / name, LORA)
    write_weights(tmp_path / "depth" / "diffusion_pytorch_model.fp16.safetensors", LORA)
    write_weights(tmp_path / "big" / "model-00001-of-00002.safetensors", LORA)
    (tmp_path / "pipeline" / "unet").mkdir(parents=True)
    (tmp_path / "pipeline" / "model_index.json").write_text("{}")
    write_weights(tmp_path / "pipeline" / "unet" / "inner.safetensors", LORA)
    (tmp_path / "gone.safetensors").symlink_to(tmp_path / "nowhere")
    entries = list(walk(ModelFolder(tmp_path, "lora")))
    assert {entry.name: entry.status is None for entry in entries} == {
        "a": False,
        "styles/B": False,
        "styles/old": False,
        "depth": False,
        "pipeline": True,
    }


def test_links_to_folders_are_followed_and_circles_end(tmp_path: Path) -> None:
    write_weights(tmp_path / "disk" / "a.safetensors", LORA)
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "linked").symlink_to(tmp_path / "disk")
    (tmp_path / "disk" / "back").symlink_to(tmp_path / "root")
    (tmp_path / "root" / "self").symlink_to(tmp_path / "root")
    assert [entry.name for entry in walk(ModelFolder(tmp_path / "root"))] == ["linked/a"]


def test_well_known_places_are_asked_for_by_name_only(tmp_path: Path) -> None:
    (tmp_path / "ComfyUI" / "models" / "checkpoints").mkdir(parents=True)
    (tmp_path / "StabilityMatrix").mkdir()
    (tmp_path / "projects" / "ComfyUI" / "models" / "checkpoints").mkdir(parents=True)
    _repository(tmp_path / "hf" / "hub", "me/one", ["aaa"])
    found = well_known.find({"HF_HOME": str(tmp_path / "hf")}, tmp_path)
    assert [(path, layout.name) for path, layout in found] == [
        (tmp_path / "ComfyUI", "comfyui"),
        (tmp_path / "hf" / "hub", "hugging-face"),
    ]


@pytest.mark.parametrize("content", ["{", "[]", '{"roots": 5}', '{"roots": ["relative"]}', '{"roots": [5]}'])
def test_a_damaged_list_of_roots_is_told_with_its_file(tmp_path: Path, content: str) -> None:
    file = tmp_path / "model-roots.json"
    file.write_text(content)
    with pytest.raises(InvalidRequest, match=r"model-roots\.json cannot be used.*Repair or delete it"):
        kept.read(file)


def _roots(*arguments: str) -> tuple[int, list[dict[str, object]]]:
    done = CliRunner().invoke(app, ["models", "roots", *arguments, "--json"])
    return done.exit_code, json.loads(done.stdout)


def test_roots_are_added_listed_and_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNDERPAINT_CONFIG_DIR", str(tmp_path / "config"))
    (tmp_path / "ui" / "models" / "checkpoints").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert _roots("list") == (0, [])
    for _ in range(2):
        code, (added,) = _roots("add", "ui")
        assert (code, added["path"], added["layout"]) == (0, str(tmp_path / "ui"), "comfyui")
    assert [root["path"] for root in _roots("list")[1]] == [str(tmp_path / "ui")]
    assert kept.read(tmp_path / "config" / "model-roots.json") == (tmp_path / "ui",)
    assert _roots("add", "absent")[0] == 2
    assert _roots("remove", "absent")[0] == 2
    assert _roots("remove", str(tmp_path / "ui"))[0] == 0
    assert _roots("list") == (0, [])


def test_finding_adds_nothing_unless_it_is_asked_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNDERPAINT_CONFIG_DIR", str(tmp_path / "config"))
    for name in ("HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "ComfyUI" / "models" / "checkpoints").mkdir(parents=True)
    assert [root["path"] for root in _roots("find")[1]] == [str(tmp_path / "ComfyUI")]
    assert _roots("list") == (0, [])
    _roots("find", "--add")
    assert [root["path"] for root in _roots("list")[1]] == [str(tmp_path / "ComfyUI")]
