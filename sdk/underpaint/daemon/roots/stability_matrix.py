"""StabilityMatrix: one folder of models for all the programs that it installs.

The names: its `SharedFolderType`, those of older versions among them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from underpaint.daemon.roots.folders import Layout, below
from underpaint.weights import kinds

NAME: Final = "stability-matrix"
KINDS: Final = {
    "StableDiffusion": kinds.CHECKPOINT,
    "DiffusionModels": kinds.TRANSFORMER,
    "Unet": kinds.TRANSFORMER,
    "TextEncoders": kinds.TEXT_ENCODER,
    "CLIP": kinds.TEXT_ENCODER,
    "ClipVision": kinds.IMAGE_ENCODER,
    "VAE": kinds.VAE,
    "Lora": kinds.LORA,
    "LyCORIS": kinds.LORA,
    "Embeddings": kinds.EMBEDDING,
    "TextualInversion": kinds.EMBEDDING,
    "ControlNet": kinds.CONTROL_NET,
    "T2IAdapter": kinds.T2I_ADAPTER,
    "IpAdapter": kinds.IP_ADAPTER,
    "IpAdapters15": kinds.IP_ADAPTER,
    "IpAdaptersXl": kinds.IP_ADAPTER,
    "ESRGAN": kinds.UPSCALER,
    "RealESRGAN": kinds.UPSCALER,
    "SwinIR": kinds.UPSCALER,
    "Diffusers": kinds.PIPELINE,
}


def read(root: Path) -> Layout | None:
    """An installation (portable or not), or its folder of models alone; None for anything else."""
    for models in (root / "Data" / "Models", root / "Models", root):
        if (models / "StableDiffusion").is_dir():
            return Layout(NAME, tuple(below(models, KINDS)))
    return None
