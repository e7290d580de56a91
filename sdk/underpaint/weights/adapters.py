"""Control nets, IP-Adapters, Redux, T2I-Adapters, LoRAs and embeddings by their tensors' names and shapes."""

from __future__ import annotations

from underpaint.weights.denoisers import (
    FLUX_CHANNELS,
    FLUX_CONTEXT,
    REFINER_CONTEXT,
    SD2_CONTEXT,
    SD15_CONTEXT,
    SDXL_CONTEXT,
)
from underpaint.weights.kinds import (
    CONTROL_LORA,
    CONTROL_NET,
    EMBEDDING,
    IP_ADAPTER,
    LORA,
    REDUX,
    T2I_ADAPTER,
    UNKNOWN,
)
from underpaint.weights.listing import Listing

_CONTEXTS = {SD15_CONTEXT: "sd15", SD2_CONTEXT: "sd2", SDXL_CONTEXT: "sdxl", REFINER_CONTEXT: "sdxl-refiner"}
_LORA_ENDS = (
    *(
        ".lora_down.weight",
        ".lora_A.weight",
        ".lora_A.default.weight",
        ".lora.down.weight",
        "_lora.down.weight",
    ),
    *(
        ".hada_w1_a",
        ".lokr_w1",
        ".lokr_w1_a",
        ".oft_blocks",
        ".diff",
        ".lora1.down.weight",
        "_lora1.down.weight",
    ),
)
# FLUX's blocks as LoRAs name them: kohya's, BFL's and XLabs', diffusers'.
_FLUX_BLOCKS = ("double_blocks", "single_blocks", "single_transformer_blocks")
# The factor on the input's side of the layer that reads latents.
_FIRST_LAYER = ("x_embedder.lora_A.weight", "img_in.lora_A.weight", "img_in.lora_down.weight")


def control_net(listing: Listing) -> tuple[str, str] | None:
    """A control net in original or diffusers' naming, a control LoRA, or one of kohya's light nets."""
    shapes = listing.shapes
    if listing.any_starts("lllite_unet_"):
        return CONTROL_NET, UNKNOWN
    if "lora_controlnet" in shapes:
        return CONTROL_NET, _CONTEXTS.get(_context(listing), UNKNOWN)
    if "controlnet_x_embedder.weight" in shapes or "pos_embed_input.weight" in shapes:
        width = listing.size("x_embedder.weight", 0) or listing.size("img_in.weight", 0)
        return CONTROL_NET, "flux" if width == 3072 else UNKNOWN
    if "input_hint_block.0.weight" in shapes or "controlnet_cond_embedding.conv_in.weight" in shapes:
        # SDXL's smallest nets read no text.
        sized = "add_embedding.linear_1.weight" in shapes and not _context(listing)
        return CONTROL_NET, "sdxl" if sized else _CONTEXTS.get(_context(listing), UNKNOWN)
    return None


def redux(listing: Listing) -> tuple[str, str] | None:
    """FLUX.1 Redux' two layers, whose file has nothing else."""
    return (REDUX, "flux") if {"redux_up.weight", "redux_down.weight"} <= listing.shapes.keys() else None


def ip_adapter(listing: Listing) -> tuple[str, str] | None:
    """An IP-Adapter, its FaceID kind with LoRA weights among them."""
    shapes = listing.shapes
    key = listing.first_ending(".to_k_ip.weight")
    if key:
        return IP_ADAPTER, {**_CONTEXTS, FLUX_CONTEXT: "flux"}.get(listing.size(key, 1), UNKNOWN)
    if listing.any_starts("image_proj.") and listing.any_starts("ip_adapter."):
        return IP_ADAPTER, UNKNOWN
    if "ip_adapter_proj_model.proj.weight" in shapes:
        return IP_ADAPTER, "flux" if listing.any_starts("double_blocks.") else UNKNOWN
    return None


def t2i_adapter(listing: Listing) -> tuple[str, str] | None:
    """A T2I-Adapter; SDXL's starts from a picture unshuffled by 16, SD 1.5's by 8."""
    for name in ("adapter.conv_in.weight", "conv_in.weight"):
        prefix = name.removesuffix("conv_in.weight")
        if name in listing.shapes and (
            f"{prefix}body.0.resnets.0.block1.weight" in listing.shapes
            or f"{prefix}body.0.block1.weight" in listing.shapes
        ):
            channels = listing.size(name, 1)
            return T2I_ADAPTER, {64: "sd15", 192: "sd15", 256: "sdxl", 768: "sdxl"}.get(channels, UNKNOWN)
    return None


def lora(listing: Listing) -> tuple[str, str] | None:
    """A LoRA in kohya's, diffusers', BFL's or XLabs' naming, or one of LyCORIS' kinds."""
    key = listing.first_ending(*_LORA_ENDS)
    if not key:
        return None
    names = listing.shapes
    if any(block in name for name in names for block in _FLUX_BLOCKS):
        first = listing.first_ending(*_FIRST_LAYER)
        return (CONTROL_LORA if listing.size(first, 1) == 2 * FLUX_CHANNELS else LORA), "flux"
    width = lora_context(listing)
    if width:
        return LORA, _CONTEXTS.get(width, UNKNOWN)
    return LORA, _family_of_text(listing)


def embedding(listing: Listing) -> tuple[str, str] | None:
    """A textual inversion: one table a text encoder, A1111's `emb_params` or a name of its own."""
    shapes = listing.shapes
    if not 0 < len(shapes) <= 2 or any(len(shape) not in (1, 2) for shape in shapes.values()):
        return None
    widths = sorted(shape[-1] for shape in shapes.values())
    rows = max(shape[0] if len(shape) == 2 else 1 for shape in shapes.values())
    if rows > 256:
        return None
    found = {(768,): "sd15", (1024,): "sd2", (768, 1280): "sdxl"}.get(tuple(widths))
    return (EMBEDDING, found) if found else None


def _context(listing: Listing) -> int:
    """Width of the text that the first cross-attention reads."""
    key = listing.first_ending("attn2.to_k.weight", "attn2.to_k.down")
    return listing.size(key, 1)


def lora_context(listing: Listing) -> int:
    """The same, from the factor of a LoRA that stands on the input's side."""
    for name in listing.shapes:
        if "attn2_to_k" not in name and "attn2.to_k" not in name and "attn2.processor.to_k" not in name:
            continue
        if name.endswith(
            (".lora_down.weight", ".lora_A.weight", ".down.weight", ".lora_A.default.weight", ".diff")
        ):
            return listing.size(name, 1)
        if name.endswith(".hada_w1_b"):
            return listing.size(name, 1)
        if name.endswith((".lokr_w1", ".lokr_w1_b")):
            base = name[: name.rindex(".lokr_w1")]
            other = listing.size(f"{base}.lokr_w2", 1) or listing.size(f"{base}.lokr_w2_b", 1)
            return listing.size(name, 1) * other
    return 0


def _family_of_text(listing: Listing) -> str:
    """For a LoRA without cross-attention."""
    if listing.any_starts("lora_te2_") or listing.any_starts("text_encoder_2."):
        return "sdxl"
    for name in listing.shapes:
        if name.startswith("lora_te_") and name.endswith("fc1.lora_down.weight"):
            return {768: "sd15", 1024: "sd2"}.get(listing.size(name, 1), UNKNOWN)
    return UNKNOWN
