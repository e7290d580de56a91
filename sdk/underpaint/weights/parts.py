"""VAEs, text encoders, image encoders and upscalers by their tensors' names and shapes."""

from __future__ import annotations

from underpaint.weights.kinds import IMAGE_ENCODER, TEXT_ENCODER, TINY_VAE, UNKNOWN, UPSCALER, VAE
from underpaint.weights.listing import Listing
from underpaint.weights.tiny_decoders import tiny_decoder_config

_LATENTS = {4: "sd15/sd2/sdxl", 16: "flux/sd3"}
"""By channels of a latent; the autoencoders of the families in one entry have the same names and shapes."""
_CLIP = {768: "clip-l", 1280: "clip-g", 1024: "clip-h"}
_VIT = {1024: "clip-vit-l", 1280: "clip-vit-h", 1664: "clip-vit-g"}
_SIGLIP = {1152: "siglip-so400m"}
_PATCHES = (
    "vision_model.embeddings.patch_embedding.weight",
    "embeddings.patch_embedding.weight",
    "visual.conv1.weight",
)
_T5 = {4096: "t5-xxl"}
_TOKENS = (
    "text_model.embeddings.token_embedding.weight",
    "embeddings.token_embedding.weight",
    "token_embedding.weight",
    "shared.weight",
    "encoder.embed_tokens.weight",
    "token_embd.weight",
)


def vae(listing: Listing) -> tuple[str, str] | None:
    """An autoencoder, in original or diffusers' naming: both call these convolutions the same."""
    if not {"decoder.conv_in.weight", "decoder.conv_out.weight"} <= listing.shapes.keys():
        return None
    shape = listing.shape("decoder.conv_in.weight")
    # Video's autoencoders have five axes.
    return VAE, _LATENTS.get(shape[1], UNKNOWN) if len(shape) == 4 else UNKNOWN


def tiny_vae(listing: Listing) -> tuple[str, str] | None:
    """TAESD and its kin, whole in diffusers' naming or the decoder alone; whose latents, only names tell."""
    shape = listing.shape("decoder.layers.0.weight")
    config = tiny_decoder_config(listing) or {}
    if not config and (len(shape) != 4 or "encoder.layers.0.weight" not in listing.shapes):
        return None
    channels = config.get("latent_channels") or shape[1]
    return TINY_VAE, {4: "taesd/taesdxl", 16: "taef1/taesd3"}.get(channels, UNKNOWN)


def text_encoder(listing: Listing) -> tuple[str, str] | None:
    """CLIP in transformers' or OpenCLIP's naming, T5 in transformers' or GGUF's."""
    shapes = listing.shapes
    for prefix in ("text_model.", "", "transformer.text_model."):
        if f"{prefix}encoder.layers.0.self_attn.q_proj.weight" in shapes:
            tokens = f"{prefix}embeddings.token_embedding.weight"
            if tokens in shapes:
                return TEXT_ENCODER, _CLIP.get(listing.size(tokens, 1), UNKNOWN)
    if "transformer.resblocks.0.attn.in_proj_weight" in shapes and "token_embedding.weight" in shapes:
        return TEXT_ENCODER, _CLIP.get(listing.size("token_embedding.weight", 1), UNKNOWN)
    for query in ("encoder.block.0.layer.0.SelfAttention.q.weight", "enc.blk.0.attn_q.weight"):
        if query in shapes:
            return TEXT_ENCODER, _T5.get(listing.size(query, 1), UNKNOWN)
    return None


def vocabulary(listing: Listing) -> int:
    """Rows of a text encoder's table of tokens; 0 where there is none."""
    return next((listing.size(name, 0) for name in _TOKENS if name in listing.shapes), 0)


def image_encoder(listing: Listing) -> tuple[str, str] | None:
    """CLIP's half for pictures under transformers' or OpenCLIP's names, or SigLIP's; alone in its file."""
    patches = next((name for name in _PATCHES if name in listing.shapes), "")
    if not patches or listing.any_starts("text_model.") or "token_embedding.weight" in listing.shapes:
        return None
    siglip = patches.replace(".weight", ".bias") in listing.shapes
    return IMAGE_ENCODER, (_SIGLIP if siglip else _VIT).get(listing.size(patches, 0), UNKNOWN)


def upscaler(listing: Listing) -> tuple[str, str] | None:
    """ESRGAN in its old and new naming, Real-ESRGAN's compact network, SwinIR."""
    shapes = listing.shapes
    for prefix in ("", "params_ema.", "params."):
        if f"{prefix}conv_first.weight" in shapes:
            if f"{prefix}body.0.rdb1.conv1.weight" in shapes:
                return UPSCALER, "esrgan"
            if f"{prefix}layers.0.residual_group.blocks.0.norm1.weight" in shapes:
                return UPSCALER, "swinir"
        if f"{prefix}body.0.weight" in shapes and f"{prefix}body.2.weight" in shapes and len(shapes) < 200:
            return UPSCALER, "realesrgan-compact"
    if "model.0.weight" in shapes and "model.1.sub.0.RDB1.conv1.0.weight" in shapes:
        return UPSCALER, "esrgan"
    return None
