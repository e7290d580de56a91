"""What a round trip through the VAE in the box loses."""

from __future__ import annotations

import numpy as np
import torch
from training.export import MODELS
from training.materials import BY_NAME
from training.render import Look, paint

from underpaint.engine.families.sd15 import StableDiffusion15
from underpaint.engine.residency import Shelf
from underpaint.worker_v1.worker_service_pb2 import ModelSource


def test_encoding_decoding_and_encoding_again_drifts_by_as_much_as_is_said() -> None:
    source = ModelSource(name="swatch", path=str(MODELS / "swatch"))
    vae = StableDiffusion15(source, Shelf(), "cpu", "float32")._parts.autoencoder
    rng, cobbles = np.random.default_rng(4), BY_NAME["cobblestone"]
    picture = paint(cobbles.make(rng, 1), cobbles.accent, Look("grey"), rng).astype(np.float32) / 255
    with torch.inference_mode():
        latents = vae.encode(picture, torch.Generator().manual_seed(0))
        decoded = vae.decode(latents)[0].permute(1, 2, 0).numpy()
        again = vae.encode(decoded, torch.Generator().manual_seed(0))
    pixels = float(np.abs(decoded - picture).mean() * 255)
    drift = float((again - latents).abs().mean() / latents.std())
    assert 1.0 < pixels < 16.0
    assert 0.005 < drift < 0.2
