"""U-Nets and transformers by their tensors' names and shapes, in original and in diffusers' naming.

Names are without a checkpoint's prefix. What only resembles a family (a pruned or extended network) is
unknown: it would not load.
"""

from __future__ import annotations

from underpaint.weights.kinds import TRANSFORMER, UNET, UNKNOWN
from underpaint.weights.listing import Listing

SD15_CONTEXT, SD2_CONTEXT, SDXL_CONTEXT, REFINER_CONTEXT = 768, 1024, 2048, 1280
FLUX_CONTEXT = 4096
"""Widths of the text that the cross-attention of each family reads."""
FLUX_CHANNELS = 64
"""What a token of FLUX's latents holds."""

_CONTEXTS = {
    SD15_CONTEXT: "sd15",
    SD2_CONTEXT: "sd2",
    SDXL_CONTEXT: "sdxl",
    REFINER_CONTEXT: "sdxl-refiner",
}
# The last attention on the way down, its number of layers less one, and the width of the first convolution.
_DEPTH = {"sd15": (0, 320), "sd2": (0, 320), "sdxl": (9, 320), "sdxl-refiner": (3, 384)}
_CHANNELS = {4: "", 9: "-inpaint"}
_FLUX_WIDTH = 3072
_FLUX_CHANNELS = {384: "flux-fill", 64: "", 128: "flux-control"}


def denoiser(listing: Listing) -> tuple[str, str] | None:
    """Kind and family of a denoiser; None for what is none."""
    for find in (_unet, _flux):
        found = find(listing)
        if found is not None:
            return found
    return None


def _unet(listing: Listing) -> tuple[str, str] | None:
    shapes = listing.shapes
    if "input_blocks.0.0.weight" in shapes and "out.2.weight" in shapes:
        first, deep = "input_blocks.0.0.weight", "input_blocks.8.1"
    elif {"conv_in.weight", "time_embedding.linear_1.weight", "conv_out.weight"} <= shapes.keys():
        first, deep = "conv_in.weight", "down_blocks.2.attentions.1"
    else:
        return None
    family = _unet_family(listing, first, deep)
    # AnimateDiff adds layers for motion.
    return UNET, UNKNOWN if any("motion_modules" in name for name in shapes) else family


def _unet_family(listing: Listing, first: str, deep: str) -> str:
    context = listing.size(listing.first_ending("attn2.to_k.weight"), 1)
    family = _CONTEXTS.get(context, UNKNOWN)
    suffix = _CHANNELS.get(listing.size(first, 1))
    if family == UNKNOWN or suffix is None:
        return UNKNOWN
    last, width = _DEPTH[family]
    blocks = f"{deep}.transformer_blocks."
    whole = f"{blocks}{last}.attn2.to_k.weight" in listing.shapes
    more = f"{blocks}{last + 1}.attn2.to_k.weight" in listing.shapes
    if not whole or more or listing.size(first, 0) != width:
        return UNKNOWN
    return family + suffix


def _flux(listing: Listing) -> tuple[str, str] | None:
    shapes = listing.shapes
    if "double_blocks.0.img_attn.qkv.weight" in shapes and "img_in.weight" in shapes:
        first, guidance, last = (
            "img_in.weight",
            "guidance_in.in_layer.weight",
            "single_blocks.37.linear2.weight",
        )
        beyond = "single_blocks.38.linear2.weight"
    elif "x_embedder.weight" in shapes and "transformer_blocks.0.attn.add_q_proj.weight" in shapes:
        first, guidance = "x_embedder.weight", "time_text_embed.guidance_embedder.linear_1.weight"
        last = "single_transformer_blocks.37.proj_out.weight"
        beyond = "single_transformer_blocks.38.proj_out.weight"
    else:
        return None
    family = _FLUX_CHANNELS.get(listing.size(first, 1), UNKNOWN)
    if listing.size(first, 0) != _FLUX_WIDTH or last not in shapes or beyond in shapes:
        family = UNKNOWN
    elif not family:
        family = "flux-dev" if guidance in shapes else "flux-schnell"
    # Chroma keeps FLUX's blocks and drives them otherwise.
    return TRANSFORMER, UNKNOWN if listing.any_starts("distilled_guidance_layer.") else family
