"""What a control net for FLUX.1 in one file is like, from its header: the configuration that diffusers keeps.

Names are diffusers' (InstantX, Shakker Labs) or XLabs', which are Black Forest Labs' with a control image.
"""

from __future__ import annotations

from itertools import count, takewhile
from typing import Any, Final

from underpaint.weights.listing import Listing

COMPONENT: Final = "flux_control_net"
"""How these nets are called where a file's parts are (see `underpaint.weights.places`)."""
UNTOLD: Final = ("axes_dims_rope",)
"""Keys of a configuration that no shape tells."""
_ORIGINAL: Final = {
    "image": "img_in.weight",
    "shown": "pos_embed_input.weight",
    "text": "txt_in.weight",
    "pooled": "vector_in.in_layer.weight",
    "guidance": "guidance_in.in_layer.weight",
    "head": "double_blocks.0.img_attn.norm.query_norm.scale",
    "double": "double_blocks.{}.img_attn.qkv.weight",
    "single": "single_blocks.{}.linear1.weight",
}
_DIFFUSERS: Final = {
    "image": "x_embedder.weight",
    "shown": "controlnet_x_embedder.weight",
    "text": "context_embedder.weight",
    "pooled": "time_text_embed.text_embedder.linear_1.weight",
    "guidance": "time_text_embed.guidance_embedder.linear_1.weight",
    "head": "transformer_blocks.0.attn.norm_q.weight",
    "double": "transformer_blocks.{}.attn.to_q.weight",
    "single": "single_transformer_blocks.{}.attn.to_q.weight",
}
_MODES: Final = "controlnet_mode_embedder.weight"
_HINTS: Final = ("input_hint_block.conv_out.weight", "input_hint_block.14.weight")
"""The last convolution that a control image goes through, in nets that read pixels."""
_PATCH: Final = 2


def flux_net_config(listing: Listing) -> dict[str, Any] | None:
    """Of `FluxControlNetModel`; None for a net of another kind."""
    names = _ORIGINAL if _ORIGINAL["image"] in listing.shapes else _DIFFUSERS
    width, channels = listing.size(names["image"], 0), listing.size(names["image"], 1)
    head = listing.size(names["head"], 0)
    if not head or names["shown"] not in listing.shapes or "controlnet_blocks.0.weight" not in listing.shapes:
        return None
    hint = next((listing.size(name, 0) for name in _HINTS if name in listing.shapes), None)
    return {
        "_class_name": "FluxControlNetModel",
        "patch_size": _PATCH if hint else 1,
        "in_channels": channels,
        "num_layers": _count(listing, names["double"]),
        "num_single_layers": _count(listing, names["single"]),
        "attention_head_dim": head,
        "num_attention_heads": width // head,
        "joint_attention_dim": listing.size(names["text"], 1),
        "pooled_projection_dim": listing.size(names["pooled"], 1),
        "guidance_embeds": names["guidance"] in listing.shapes,
        "num_mode": listing.size(_MODES, 0) or None,
        "conditioning_embedding_channels": hint,
    }


def shown_channels(listing: Listing) -> int:
    """Channels of a token of the control image, as the net reads it."""
    return listing.size(_DIFFUSERS["shown"], 1) or listing.size(_ORIGINAL["shown"], 1)


def _count(listing: Listing, pattern: str) -> int:
    return sum(1 for _ in takewhile(lambda number: pattern.format(number) in listing.shapes, count()))
