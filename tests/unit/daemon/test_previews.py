"""Tiny autoencoders in the roots: which one makes previews of which model, and which are of no use."""

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
from underpaint.daemon.models import ModelIndex as AnyIndex
from underpaint.daemon.models import to_source
from underpaint.daemon.plugins import Plugins

ModelIndex = partial(AnyIndex, load_plugins=partial(Plugins, installed_models=False))


@pytest.fixture(autouse=True)
def no_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if no package with a vocabulary were installed here."""
    monkeypatch.setattr(tokenizers, "PACKAGES", ())


def write_tiny(folder: Path, channels: int = 4, **config: object) -> Path:
    """A tiny autoencoder as diffusers writes one; nobody loads it here."""
    shapes = {"encoder.layers.0.weight": (64, 3, 3, 3), "decoder.layers.0.weight": (64, channels, 3, 3)}
    write_weights(folder / "diffusion_pytorch_model.safetensors", shapes)
    facts = {"_class_name": "AutoencoderTiny", "latent_channels": channels, **config}
    (folder / "config.json").write_text(json.dumps(facts))
    return folder


def with_vae(root: Path, name: str, **config: object) -> Path:
    """A model whose VAE says this of itself."""
    folder = write_model(root, name)
    path = folder / "vae" / "config.json"
    facts = {**json.loads(path.read_text()), "_class_name": "AutoencoderKL", **config}
    path.write_text(json.dumps(facts))
    return folder


async def preview_of(root: Path, name: str) -> str | None:
    found = await ModelIndex([root]).find(name)
    return dict(to_source(found).components).get("preview")


@pytest.mark.parametrize(
    ("vae", "tiny"),
    [
        ({}, "taesd"),
        ({"scaling_factor": 0.18215}, "taesd"),
        ({"scaling_factor": 0.13025}, "madebyollin/taesdxl"),
        ({"scaling_factor": 0.5}, None),
        ({"scaling_factor": 0.13025, "latents_mean": [0, 0, 0, 0]}, None),
        ({"_class_name": "AutoencoderTiny"}, None),
    ],
)
async def test_a_model_gets_the_tiny_autoencoder_that_reads_its_latents_or_none(
    tmp_path: Path, vae: dict[str, Any], tiny: str | None
) -> None:
    write_tiny(tmp_path / "taesd")
    write_tiny(tmp_path / "madebyollin" / "taesdxl")
    write_tiny(tmp_path / "taef1", channels=16)
    write_tiny(tmp_path / "taesd3", channels=16)
    with_vae(tmp_path, "plain", **vae)
    assert await preview_of(tmp_path, "plain") == (None if tiny is None else str(tmp_path / tiny))


async def test_a_checkpoint_in_one_file_gets_one_too_and_flux_its_own(tmp_path: Path) -> None:
    for name, channels in (("taesd", 4), ("taesdxl", 4), ("taef1", 16)):
        write_tiny(tmp_path / "tiny" / name, channels)
    ui = tmp_path / "ui"
    models = ui / "models"
    write_tokenizer(ui / "comfy" / "sd1_tokenizer")
    files.write_t5_tokenizer(ui / "comfy" / "text_encoders" / "t5_tokenizer")
    write_weights(models / "checkpoints" / "photo.safetensors", files.SD15)
    write_weights(models / "checkpoints" / "large.safetensors", files.SDXL)
    write_weights(models / "diffusion_models" / "flux1-schnell.safetensors", files.FLUX_SCHNELL)
    write_weights(models / "vae" / "ae.safetensors", files.FLUX_VAE)
    write_weights(models / "text_encoders" / "clip_l.safetensors", files.CLIP_L)
    write_weights(models / "text_encoders" / "t5xxl.safetensors", files.T5_XXL)
    index = ModelIndex([ui, tmp_path / "tiny"])
    found = {
        model.name: Path(to_source(model).components["preview"]).name
        for model in await index.all()
        if model.traits is not None
    }
    assert found == {"photo": "taesd", "large": "taesdxl", "transformer:flux1-schnell": "taef1"}
    by_path = await index.find(str(models / "checkpoints" / "large.safetensors"))
    assert to_source(by_path).components["preview"] == str(tmp_path / "tiny" / "taesdxl")


async def test_without_one_nothing_is_handed_to_the_worker(tmp_path: Path) -> None:
    with_vae(tmp_path, "plain")
    assert await preview_of(tmp_path, "plain") is None


@pytest.mark.parametrize(
    ("name", "channels", "problem"),
    [
        ("taesd", 4, ""),
        ("TAESD-XL", 4, ""),
        ("taef1", 16, ""),
        ("taef1", 4, "it cannot be told whose latents it reads: name its folder or file taesd"),
        ("taesd3", 16, "it cannot be told"),
        ("mine", 4, "it cannot be told"),
    ],
)
async def test_one_whose_latents_nobody_knows_says_so_in_the_list(
    tmp_path: Path, name: str, channels: int, problem: str
) -> None:
    write_tiny(tmp_path / name, channels)
    (found,) = await ModelIndex([tmp_path]).all("tiny-vae")
    assert found.name == f"tiny-vae:{name}"
    assert problem in found.problem and bool(problem) == bool(found.problem)


async def test_one_without_a_configuration_that_can_be_read_serves_nobody(tmp_path: Path) -> None:
    folder = write_tiny(tmp_path / "taesd")
    with_vae(tmp_path, "plain")
    (folder / "config.json").write_text("{")
    (found,) = await ModelIndex([tmp_path]).all("tiny-vae")
    assert "its config.json cannot be read" in found.problem
    assert await preview_of(tmp_path, "plain") is None


async def test_the_authors_files_serve_by_their_names_and_say_what_they_lack(tmp_path: Path) -> None:
    root = tmp_path / "ComfyUI" / "models"
    (root / "checkpoints").mkdir(parents=True)
    place = root / "vae_approx"
    for name, channels in (("taesd", 4), ("taesdxl", 4), ("taef1", 16), ("taesd3", 16)):
        decoder = {
            "1.weight": (64, channels, 3, 3),
            "3.conv.0.weight": (64, 64, 3, 3),
            "4.weight": (3, 64, 3, 3),
        }
        write_weights(place / f"{name}_decoder.safetensors", decoder)
    encoder = {"0.weight": (64, 3, 3, 3), "1.conv.0.weight": (64, 64, 3, 3)}
    write_weights(place / "taesd_encoder.safetensors", encoder)
    with_vae(tmp_path / "other", "plain", scaling_factor=0.13025)
    index = ModelIndex([root, tmp_path / "other"])
    found = await index.find("plain")
    assert to_source(found).components["preview"] == str(place / "taesdxl_decoder.safetensors")
    problems = {model.name: model.problem for model in await index.all("tiny-vae")}
    assert problems["tiny-vae:taef1_decoder"] == problems["tiny-vae:taesd_decoder"] == ""
    assert "it holds no decoder" in problems["tiny-vae:taesd_encoder"]
    assert "it cannot be told" in problems["tiny-vae:taesd3_decoder"]
