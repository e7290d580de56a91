"""VAEs and text encoders out of other files: found by what they are, or named by the user."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support import weight_files as files
from tests.support.weight_files import write_tokenizer, write_weights
from tests.unit.daemon.harness import write_model
from underpaint.daemon import tokenizers
from underpaint.daemon.companions import Companions
from underpaint.daemon.models import ModelIndex as AnyIndex
from underpaint.daemon.models import to_source
from underpaint.daemon.plugins import Plugins
from underpaint.daemon.tokenizers import Tokenizers
from underpaint.errors import ModelUnusable
from underpaint.weights import Probe

ModelIndex = partial(AnyIndex, load_plugins=partial(Plugins, installed_models=False))


@pytest.fixture(autouse=True)
def no_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if no package with a vocabulary were installed here."""
    monkeypatch.setattr(tokenizers, "PACKAGES", ())


def _comfyui(root: Path) -> Path:
    models = root / "models"
    write_tokenizer(root / "comfy" / "sd1_tokenizer")
    write_weights(models / "checkpoints" / "photo.safetensors", files.SD15)
    write_weights(models / "vae" / "soft.safetensors", files.VAE)
    write_weights(models / "text_encoders" / "clip-l-mine.safetensors", files.CLIP_L)
    return root


def _say(path: Path, **facts: Any) -> None:
    path.write_text(json.dumps(facts))


async def test_a_checkpoint_takes_the_vae_and_the_text_encoder_that_its_user_names(tmp_path: Path) -> None:
    root = _comfyui(tmp_path)
    checkpoints = root / "models" / "checkpoints"
    _say(checkpoints / "photo.underpaint.json", vae="soft", text_encoder="text-encoder:clip-l-mine")
    components = to_source(await ModelIndex([root]).find("photo")).components
    assert components["unet"] == str(checkpoints / "photo.safetensors")
    assert components["vae"] == str(root / "models" / "vae" / "soft.safetensors")
    assert components["text_encoder"] == str(root / "models" / "text_encoders" / "clip-l-mine.safetensors")


@pytest.mark.parametrize("part", ["first_stage_model.", "cond_stage_model."])
async def test_a_checkpoint_without_a_part_runs_with_one_that_is_named(tmp_path: Path, part: str) -> None:
    root = _comfyui(tmp_path)
    shapes = {name: shape for name, shape in files.SD15.items() if not name.startswith(part)}
    write_weights(root / "models" / "checkpoints" / "part.safetensors", shapes)
    named = {"vae": "soft"} if part.startswith("first") else {"text_encoder": "clip-l-mine"}
    index = ModelIndex([root])
    with pytest.raises(ModelUnusable, match=r"or name another file's in part\.underpaint\.json"):
        await index.find("part")
    _say(root / "models" / "checkpoints" / "part.underpaint.json", **named)
    await index.all()
    assert set(to_source(await index.find("part")).components) >= {"unet", "vae", "text_encoder"}


async def test_a_diffusers_folder_takes_the_vae_that_its_user_names(tmp_path: Path) -> None:
    root = _comfyui(tmp_path / "ui")
    folder = write_model(tmp_path / "own", "plain")
    plain = await ModelIndex([tmp_path / "own", root]).find("plain")
    assert to_source(plain).components["vae"] == str(folder / "vae")
    _say(folder / "underpaint.json", vae="soft")
    for name in ("plain", str(folder)):
        components = to_source(await ModelIndex([tmp_path / "own", root]).find(name)).components
        soft = str(root / "models" / "vae" / "soft.safetensors")
        assert (components["vae"], components["config"]) == (soft, str(folder))
        assert components["unet"] == str(folder / "unet")


@pytest.mark.parametrize(
    ("named", "problem"),
    [
        ("nobody", "names 'nobody' as its vae, and there is none of that name. 'underpaint models list"),
        ("../../etc/passwd", "there is none of that name"),
        ("clip-l-mine", "there is none of that name"),
        ("scaled", "names 'scaled' as its vae, which cannot be used: its weights are quantised"),
        (7, "there is none of that name"),
    ],
)
async def test_a_name_that_is_no_vae_makes_the_model_unusable_by_name(
    tmp_path: Path, named: object, problem: str
) -> None:
    root = _comfyui(tmp_path)
    shapes = {**files.VAE, "decoder.conv_in.scale_weight": (1,)}
    write_weights(root / "models" / "vae" / "scaled.safetensors", shapes)
    _say(root / "models" / "checkpoints" / "photo.underpaint.json", vae=named)
    folder = write_model(tmp_path / "own", "plain")
    _say(folder / "underpaint.json", vae=named)
    index = ModelIndex([root, tmp_path / "own"])
    for name in ("photo", "plain"):
        with pytest.raises(ModelUnusable) as raised:
            await index.find(name)
        assert problem in raised.value.message


def test_of_several_files_the_widest_comes_first_and_the_unusable_never(tmp_path: Path) -> None:
    def probe(dtype: str, family: str = "t5-xxl", problem: str = "") -> Probe:
        return Probe(kind="text-encoder", family=family, dtype=dtype, problem=problem)

    found = {
        "a": (tmp_path / "a", probe("F8_E4M3")),
        "b": (tmp_path / "b", probe("F16")),
        "c": (tmp_path / "c", probe("BF16")),
        "d": (tmp_path / "d", probe("F32", problem="it is broken")),
        "e": (tmp_path / "e", probe("F32", family="clip-l")),
    }
    companions = Companions(Tokenizers((), {}), found)
    assert [path.name for path in companions.weights("text-encoder", "t5-xxl")] == ["c", "b", "a"]
    assert [path.name for path in companions.weights("text-encoder", "t5-xxl", "clip-l")][0] == "e"
    assert companions.weights("vae", "t5-xxl") == ()


def test_tokenizers_in_one_file_are_told_by_kind_and_size(tmp_path: Path) -> None:
    sizes = {"a": ("BPE", 32100), "b": ("Unigram", 256_000), "c": ("Unigram", 32100)}
    for name, (kind, words) in sizes.items():
        (tmp_path / name).mkdir()
        vocabulary = [["w", 0.0]] * words
        content = json.dumps({"model": {"type": kind, "vocab": vocabulary}})
        (tmp_path / name / "tokenizer.json").write_text(content)
    clip = {"model": {"type": "BPE", "vocab": {f"w{index}": index for index in range(49408)}}}
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "tokenizer.json").write_text(json.dumps(clip))
    found = Tokenizers([tmp_path / name for name in ("none", *sizes, "d")], {})
    assert found.tokenizer(49408) == tmp_path / "d"
    assert found.t5_tokenizer() == tmp_path / "c"
    assert Tokenizers([tmp_path / "a", tmp_path / "b"], {}).t5_tokenizer() is None
