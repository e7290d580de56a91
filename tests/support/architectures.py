"""Full-size networks on the meta device, and files with their headers: every name and shape, no weights."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights
from diffusers import (
    AutoencoderKL,
    AutoencoderTiny,
    ControlNetModel,
    FluxTransformer2DModel,
    UNet2DConditionModel,
)
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    T5Config,
    T5EncoderModel,
)

from tests.support import original_names
from tests.support.weight_files import write_weights

State = dict[str, torch.Tensor]

_SDXL: dict[str, Any] = {
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "use_linear_projection": True,
    "sample_size": 128,
}
_UNETS: dict[str, dict[str, Any]] = {
    "sd15": {"cross_attention_dim": 768, "attention_head_dim": 8},
    "sd2": {
        "cross_attention_dim": 1024,
        "attention_head_dim": [5, 10, 20, 20],
        "use_linear_projection": True,
    },
    "sdxl": {
        **_SDXL,
        "block_out_channels": (320, 640, 1280),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "transformer_layers_per_block": [1, 2, 10],
        "attention_head_dim": [5, 10, 20],
        "cross_attention_dim": 2048,
        "projection_class_embeddings_input_dim": 2816,
    },
    "sdxl-refiner": {
        **_SDXL,
        "block_out_channels": (384, 768, 1536, 1536),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "transformer_layers_per_block": 4,
        "attention_head_dim": [6, 12, 24, 24],
        "cross_attention_dim": 1280,
        "projection_class_embeddings_input_dim": 2560,
    },
}
_CLIPS: dict[str, dict[str, Any]] = {
    "clip-l": {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12},
    "clip-h": {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24},
    "clip-g": {
        "hidden_size": 1280,
        "intermediate_size": 5120,
        "num_hidden_layers": 32,
        "num_attention_heads": 20,
        "projection_dim": 1280,
    },
}


@cache
def unet(family: str, channels: int = 4) -> State:
    """In diffusers' naming."""
    with init_empty_weights():
        return dict(UNet2DConditionModel(in_channels=channels, **_UNETS[family]).state_dict())


@cache
def control_net(family: str) -> State:
    """In diffusers' naming."""
    unlike = ("up_block_types", "sample_size")
    config = {name: value for name, value in _UNETS[family].items() if name not in unlike}
    with init_empty_weights():
        return dict(ControlNetModel(**config).state_dict())


@cache
def vae(channels: int = 4) -> State:
    """In diffusers' naming; sixteen channels are FLUX's, without the convolutions around the latents."""
    with init_empty_weights():
        network = AutoencoderKL(
            block_out_channels=(128, 256, 512, 512),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=2,
            latent_channels=channels,
            use_quant_conv=channels == 4,
            use_post_quant_conv=channels == 4,
        )
    return dict(network.state_dict())


@cache
def tiny_vae(channels: int = 4) -> State:
    """TAESD's, in diffusers' naming; sixteen channels are those for FLUX and SD 3."""
    with init_empty_weights():
        network = AutoencoderTiny(latent_channels=channels)
    return dict(network.state_dict())


def tiny_decoder() -> State:
    """TAESD's decoder as its author names it: alone, and the clamp before it is a layer."""
    start = "decoder.layers."
    inside = {name.removeprefix(start): tensor for name, tensor in tiny_vae().items() if start in name}
    split = ((*name.partition("."), tensor) for name, tensor in inside.items())
    return {f"{int(layer) + 1}.{rest}": tensor for layer, _, rest, tensor in split}


@cache
def clip(kind: str) -> State:
    """In the naming of the transformers that are installed."""
    kinds = CLIPTextModelWithProjection if kind == "clip-g" else CLIPTextModel
    heads = {"num_attention_heads": _CLIPS[kind]["hidden_size"] // 64}
    with init_empty_weights():
        return dict(kinds(CLIPTextConfig(vocab_size=49408, **{**heads, **_CLIPS[kind]})).state_dict())


@cache
def t5() -> State:
    """T5 XXL's encoder."""
    with init_empty_weights():
        config = T5Config(
            d_model=4096,
            d_kv=64,
            d_ff=10240,
            num_layers=24,
            num_heads=64,
            vocab_size=32128,
            feed_forward_proj="gated-gelu",
        )
        return dict(T5EncoderModel(config).state_dict())


@cache
def clip_vision() -> State:
    """CLIP ViT-H's half for pictures."""
    config = CLIPVisionConfig(
        hidden_size=1280, intermediate_size=5120, num_hidden_layers=32, patch_size=14, num_attention_heads=16
    )
    with init_empty_weights():
        return dict(CLIPVisionModelWithProjection(config).state_dict())


@cache
def flux(*, guidance: bool = True, channels: int = 64) -> State:
    """FLUX.1's transformer in diffusers' naming."""
    with init_empty_weights():
        network = FluxTransformer2DModel(guidance_embeds=guidance, in_channels=channels, out_channels=64)
    return dict(network.state_dict())


def sd15_checkpoint(channels: int = 4) -> State:
    """Every name of `v1-5-pruned-emaonly`, or of the inpainting checkpoint with nine channels."""
    return {
        **original_names.unet(unet("sd15", channels), 2),
        **original_names.vae(vae(), 4),
        **original_names.clip(clip("clip-l")),
        "cond_stage_model.transformer.text_model.embeddings.position_ids": torch.empty(
            1, 77, dtype=torch.int64, device="meta"
        ),
        "alphas_cumprod": torch.empty(1000, device="meta"),
        "model_ema.decay": torch.empty((), device="meta"),
    }


def sd2_checkpoint(channels: int = 4) -> State:
    """Stable Diffusion 2.1's names."""
    return {
        **original_names.unet(unet("sd2", channels), 2),
        **original_names.vae(vae(), 4),
        **original_names.open_clip(clip("clip-h"), "cond_stage_model.model."),
    }


def sdxl_checkpoint(channels: int = 4) -> State:
    """SDXL base's names."""
    return {
        **original_names.unet(unet("sdxl", channels), 2),
        **original_names.vae(vae(), 4),
        **original_names.clip(clip("clip-l"), "conditioner.embedders.0.transformer."),
        **original_names.open_clip(clip("clip-g"), "conditioner.embedders.1.model."),
    }


def refiner_checkpoint() -> State:
    """SDXL refiner's names."""
    return {
        **original_names.unet(unet("sdxl-refiner"), 2),
        **original_names.vae(vae(), 4),
        **original_names.open_clip(clip("clip-g"), "conditioner.embedders.0.model."),
    }


def flux_checkpoint() -> State:
    """FLUX dev with its encoders in one file, as ComfyUI packs it."""
    return {
        **original_names.flux(flux(), "model.diffusion_model."),
        **original_names.clip(clip("clip-l"), "text_encoders.clip_l.transformer."),
        **{f"text_encoders.t5xxl.transformer.{name}": tensor for name, tensor in t5().items()},
        **original_names.vae(vae(16), 4, "vae."),
    }


def write_header(
    path: Path,
    state: Mapping[str, torch.Tensor],
    *,
    dtype: str = "F16",
    metadata: Mapping[str, str] | None = None,
) -> Path:
    """A safetensors file with these names and shapes; its tensors are a hole that takes no disk."""
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    return write_weights(path, shapes, dtype=dtype, metadata=metadata)


def original_control_net(family: str, prefix: str = "control_model.") -> State:
    """A control net in its authors' naming."""
    return original_names.control_net(control_net(family), 2, prefix)
