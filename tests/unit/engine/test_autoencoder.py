"""Precision and scaling of the VAE, beyond agreeing with the stock pipelines."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL

from tests.unit.engine.stock import distance, photo
from underpaint.engine.diffusion.autoencoder import Autoencoder
from underpaint.engine.diffusion.components import Components
from underpaint.engine.residency import Shelf
from underpaint.errors import ModelUnusable


def autoencoder(folder: Path, dtype: str = "float32") -> Autoencoder:
    return Autoencoder(Components({"vae": folder}, "m", Shelf(), "cpu", dtype))


def changed(folder: Path, target: Path, **config: object) -> Path:
    shutil.copytree(folder, target)
    path = target / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **config}))
    return target


@pytest.mark.parametrize(
    ("dtype", "force_upcast", "computes_in"),
    [
        ("float32", True, torch.float32),
        ("float16", True, torch.float32),
        ("float16", False, torch.float16),
        ("bfloat16", True, torch.bfloat16),
    ],
)
def test_a_vae_that_overflows_in_float16_computes_in_float32(
    models: Path, tmp_path: Path, dtype: str, force_upcast: bool, computes_in: torch.dtype
) -> None:
    vae = autoencoder(changed(models / "sdxl" / "vae", tmp_path / "vae", force_upcast=force_upcast), dtype)
    assert not vae.loaded
    network, _ = vae.network
    assert network.dtype == vae.dtype == computes_in
    assert vae.loaded


def test_latents_are_normalised_where_the_model_says_how(models: Path, tmp_path: Path) -> None:
    mean, spread = [0.5, -1.0, 2.0, 0.1], [2.0, 3.0, 0.5, 1.5]
    folder = changed(models / "sdxl" / "vae", tmp_path / "vae", latents_mean=mean, latents_std=spread)
    vae, stock = autoencoder(folder), AutoencoderKL.from_pretrained(folder)
    picture = photo().astype(np.float32) / 255
    with torch.inference_mode():
        latents = vae.encode(picture, torch.Generator().manual_seed(1))
        pixels = torch.from_numpy(picture.transpose(2, 0, 1))[None] * 2 - 1
        raw = stock.encode(pixels).latent_dist.sample(torch.Generator().manual_seed(1))
        shape = (1, 4, 1, 1)
        wanted = (raw - torch.tensor(mean).view(shape)) * 0.13025 / torch.tensor(spread).view(shape)
        assert distance(latents, wanted) <= 1e-5
        back = (stock.decode(raw).sample / 2 + 0.5).clamp(0, 1)
        assert distance(vae.decode(latents), back) <= 1e-5


def test_a_vae_that_cannot_be_run_is_refused_by_name(models: Path, tmp_path: Path) -> None:
    folder = changed(models / "sdxl" / "vae", tmp_path / "vae", _class_name="AutoencoderDC")
    with pytest.raises(ModelUnusable, match="is AutoencoderDC, and only"):
        autoencoder(folder)
