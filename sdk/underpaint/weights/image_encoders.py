"""What an image encoder in one file is like, from its header: the configuration that transformers keeps.

CLIP's half for pictures under transformers' or OpenCLIP's names, and SigLIP's. Shapes tell neither the number
of heads nor the activation; these are as in the released encoders of that width.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count, takewhile
from math import isqrt
from typing import Any, Final

from underpaint.weights.listing import Listing

COMPONENT: Final = "image_encoder"
"""How these are called where a file's parts are."""
PREFIXES: Final = ("visual.", "vision_model.")
"""Before the names, but for a projection's, as OpenCLIP and transformers have them."""
CLIP: Final = "clip_vision_model"
SIGLIP: Final = "siglip_vision_model"
UNTOLD: Final = ("num_attention_heads", "hidden_act", "layer_norm_eps", "image_size")
"""Keys of a configuration that no shape tells."""
_CLIP_HEADS: Final = {1024: 16, 1280: 16, 1664: 16}
"""Of ViT-L, ViT-H and ViT-bigG; others have heads of 64."""
_OPENAI: Final = (768, 1024)
"""Widths of OpenAI's encoders, with an activation of their own."""
_SIGLIP_HEADS: Final = {1152: 16}
_CUT: Final = {(14, 27): 384}
"""Pixels an edge by those of a patch and patches an edge, where the patches leave a rim (SigLIP so400m)."""


def image_encoder_config(listing: Listing) -> dict[str, Any] | None:
    """By `model_type` "clip_vision_model" or "siglip_vision_model"; None for what is neither."""
    net = listing.below(next((prefix for prefix in PREFIXES if listing.any_starts(prefix)), ""))
    if "conv1.weight" in net.shapes:
        first, places = "conv1.weight", "positional_embedding"
        inner, layer = "transformer.resblocks.0.mlp.c_fc.weight", "transformer.resblocks.{}.ln_1.weight"
        projection = net.size("proj", 1)
    else:
        first, places = "embeddings.patch_embedding.weight", "embeddings.position_embedding.weight"
        inner, layer = "encoder.layers.0.mlp.fc1.weight", "encoder.layers.{}.layer_norm1.weight"
        projection = listing.size("visual_projection.weight", 0)
    width, patch, positions = net.size(first, 0), net.size(first, 2), net.size(places, 0)
    if not width or not patch or not positions:
        return None
    config: dict[str, Any] = {
        "hidden_size": width,
        "intermediate_size": net.size(inner, 0),
        "num_hidden_layers": sum(
            1 for _ in takewhile(lambda number: layer.format(number) in net.shapes, count())
        ),
        "patch_size": patch,
    }
    if "embeddings.patch_embedding.bias" in net.shapes:
        edge = isqrt(positions)
        return {
            **config,
            "model_type": SIGLIP,
            "image_size": _CUT.get((patch, edge), patch * edge),
            "num_attention_heads": _SIGLIP_HEADS.get(width, max(1, width // 64)),
            "vision_use_head": "head.probe" in net.shapes,
        }
    return {
        **config,
        "model_type": CLIP,
        # One position stands for the picture as a whole.
        "image_size": patch * isqrt(positions - 1),
        "num_attention_heads": _CLIP_HEADS.get(width, max(1, width // 64)),
        "hidden_act": "quick_gelu" if width in _OPENAI else "gelu",
        "projection_dim": projection,
    }


def offers(config: Mapping[str, Any]) -> tuple[str, ...]:
    """What adapters may ask of an encoder (`ControlTraits.encoder`), by its configuration."""
    if config.get("model_type") == "clip":
        # Both halves in one folder, as OpenAI released them.
        config = {"model_type": CLIP, **(config.get("vision_config") or {})}
    if config.get("model_type") == SIGLIP:
        return (f"SigLIP, {config.get('hidden_size', 768)} wide",)
    if config.get("model_type") != CLIP or not config.get("projection_dim", 512):
        return ()
    return f"projects to {config.get('projection_dim', 512)}", f"{config.get('hidden_size', 768)} wide"
