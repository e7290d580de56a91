"""AUTOMATIC1111's web UI, and Forge, which kept its folders."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from underpaint.daemon.roots.folders import Layout, below
from underpaint.weights import kinds

NAME: Final = "a1111"
KINDS: Final = {
    "models/Stable-diffusion": kinds.CHECKPOINT,
    "models/VAE": kinds.VAE,
    "models/VAE-approx": kinds.TINY_VAE,
    "models/text_encoder": kinds.TEXT_ENCODER,
    "models/Lora": kinds.LORA,
    "models/LyCORIS": kinds.LORA,
    "models/ControlNet": kinds.CONTROL_NET,
    "extensions/sd-webui-controlnet/models": kinds.CONTROL_NET,
    "models/ESRGAN": kinds.UPSCALER,
    "models/RealESRGAN": kinds.UPSCALER,
    "models/SwinIR": kinds.UPSCALER,
    "models/diffusers": kinds.PIPELINE,
    "embeddings": kinds.EMBEDDING,
}


def read(root: Path) -> Layout | None:
    """An installation; None for anything else."""
    if not (root / "models" / "Stable-diffusion").is_dir():
        return None
    return Layout(NAME, tuple(below(root, KINDS)))
