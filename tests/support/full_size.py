"""Stable Diffusion 1.5, XL and FLUX.1 at full size as stand-ins: bytes of their networks in bfloat16."""

from __future__ import annotations

from collections import Counter
from functools import cache
from math import prod
from typing import Any

from tests.support import architectures as full
from underpaint.engine.memory.rehearsal import WIDTH, Cast, StandIn
from underpaint.geometry import Size

GB = 1_000_000_000
CARDS = (6, 8, 12, 24, 80)
"""Sizes of graphics cards, in GB as they are sold: GiB."""
_VAE: dict[str, Any] = {"block_out_channels": (128, 256, 512, 512)}
_ATTENDING: dict[str, Any] = {
    "block_out_channels": (320, 640, 1280, 1280),
    "down_block_types": ("CrossAttnDownBlock2D",),
}
_PLAIN: dict[str, Any] = {"block_out_channels": (320, 640, 1280), "down_block_types": ("DownBlock2D",)}


@cache
def casts() -> dict[str, tuple[Cast, tuple[Size, ...]]]:
    """By model's name, with the sizes of pictures to show."""
    vae = stand_in("VAE", full.vae())
    clip = stand_in("CLIP-L", full.clip("clip-l"))
    large = stand_in("CLIP-G", full.clip("clip-g"))
    return {
        "Stable Diffusion 1.5": (
            Cast("sd15", (clip,), stand_in("U-Net", full.unet("sd15")), vae, _ATTENDING, _VAE),
            (Size(512, 512), Size(1536, 1536)),
        ),
        "Stable Diffusion XL": (
            Cast("sdxl", (clip, large), stand_in("U-Net", full.unet("sdxl")), vae, _PLAIN, _VAE),
            (Size(1024, 1024), Size(2048, 2048)),
        ),
        "FLUX.1 dev": (
            Cast(
                "flux",
                (clip, stand_in("T5-XXL", full.t5())),
                stand_in("transformer", full.flux()),
                stand_in("VAE", full.vae(16)),
                {"num_attention_heads": 24, "attention_head_dim": 128},
                _VAE,
                rows=1,
            ),
            (Size(1024, 1024), Size(2048, 2048)),
        ),
    }


def stand_in(name: str, state: full.State) -> StandIn:
    """A network of so many weights; a layer is what shares the name before the last dot."""
    layers: Counter[str] = Counter()
    for key, tensor in state.items():
        if key == "encoder.embed_tokens.weight":
            # T5's, under a second name.
            continue
        layers[key.rpartition(".")[0]] += WIDTH * prod(tensor.shape)
    return StandIn(name, sum(layers.values()), max(layers.values()))
