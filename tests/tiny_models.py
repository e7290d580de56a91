"""Tiny diffusers models with random weights: the whole architecture of SD 1.5 or SDXL in about a megabyte.

They paint noise, but they run every line that a real model runs. Made offline, in a second or two, and
the same bytes come out for the same arguments.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderTiny,
    ControlNetModel,
    ControlNetUnionModel,
    DDIMScheduler,
    EulerDiscreteScheduler,
    T2IAdapter,
    UNet2DConditionModel,
)
from safetensors.torch import save_file
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)

Kind = Literal["sd15", "sd15-inpaint", "sdxl", "sdxl-inpaint", "sdxl-refiner"]

NATIVE = 64
"""Edge length in pixels that the tiny models call theirs."""

WORDS = (
    *("a", "an", "and", "old", "new", "red", "green", "blue", "brick", "wall", "wood", "moss", "stone"),
    *("water", "sky", "tree", "house", "of", "with"),
)
_TEXT_WIDTH = 16
_WIDTH_2 = 24
"""Of SDXL's second text encoder."""
_POOLED = 12
_ENCODER_WIDTH, ENCODER_PROJECTION = 16, 12
"""Of the image encoder: its hidden states, and what it makes of a picture."""
_SIZE_WIDTH = 8
"""Of the embedding of one of SDXL's sizes."""
_CLASSES: dict[Kind, str] = {
    "sd15": "StableDiffusionPipeline",
    "sd15-inpaint": "StableDiffusionInpaintPipeline",
    "sdxl": "StableDiffusionXLPipeline",
    "sdxl-inpaint": "StableDiffusionXLInpaintPipeline",
    "sdxl-refiner": "StableDiffusionXLImg2ImgPipeline",
}


def build_tiny(
    folder: Path,
    *,
    kind: Kind = "sd15",
    seed: int = 0,
    vae: Literal["kl", "tiny"] = "kl",
    prediction_type: Literal["epsilon", "v_prediction"] = "epsilon",
    pooled_text: bool = False,
    text_length: int = 77,
    guidance_width: int | None = None,
    attention_first: bool = False,
    refiner: str = "",
    shared_from: str = "",
) -> Path:
    """Writes a model into `folder` and returns it. Native size 64 px, sizes in multiples of 8.

    The inpainting kinds have U-Nets with nine input channels. `pooled_text` feeds the pooled text into
    every block (`addition_embed_type="text"`). `guidance_width` makes a model distilled with an embedded
    guidance scale. `attention_first` has attention in the upper block, as SD 1.5 has. `refiner` names the
    sibling that does an SDXL base's second half. With `shared_from` (for example "../sibling") only the U-Net
    is written and everything else comes from that folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if not shared_from and kind.startswith("sdxl"):
            _write_sdxl(folder, kind, vae, prediction_type)
        elif not shared_from:
            clip_tokenizer(text_length).save_pretrained(folder / "tokenizer")
            _text_encoder(text_length).save_pretrained(folder / "text_encoder")
            _vae(vae).save_pretrained(folder / "vae")
            _scheduler(prediction_type).save_pretrained(folder / "scheduler")
        channels = 9 if kind.endswith("inpaint") else 4
        unet = (
            _sdxl_unet(channels, kind)
            if kind.startswith("sdxl")
            else _unet(channels, pooled_text, guidance_width, attention_first)
        )
        unet.save_pretrained(folder / "unet")
    (folder / "model_index.json").write_text(json.dumps(_index(kind, vae, shared_from), indent=2), "utf-8")
    traits = _traits(kind) | ({"refiner": refiner, "refiner_from": 0.5} if refiner else {})
    (folder / "underpaint.json").write_text(json.dumps(traits, indent=2), "utf-8")
    return folder


def build_tiny_control(
    folder: Path,
    *,
    kind: Literal["sd15", "sdxl"] = "sd15",
    seed: int = 0,
    pooled_text: bool = False,
    roles: Sequence[str] = (),
) -> Path:
    """Writes a control net for such a model into `folder` and returns it; it steers strongly, at random."""
    xl = kind == "sdxl"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(100 + seed)
        net = ControlNetModel(
            block_out_channels=(16, 32),
            layers_per_block=1,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            cross_attention_dim=_TEXT_WIDTH + _WIDTH_2 if xl else _TEXT_WIDTH,
            attention_head_dim=4,
            norm_num_groups=4,
            conditioning_embedding_out_channels=(4, 8, 8, 16),
            **(_sizes(refiner=False) if xl else _pooled(pooled_text)),
        )
        _strengthen(net, net.controlnet_cond_embedding)
        net.save_pretrained(folder)
    if roles:
        (folder / "underpaint.json").write_text(json.dumps({"roles": list(roles)}), "utf-8")
    return folder


def build_tiny_union(folder: Path, *, seed: int = 0, modes: int = 6) -> Path:
    """Writes a union control net for the tiny SDXL into `folder` and returns it; it steers at random."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(500 + seed)
        net = ControlNetUnionModel(
            block_out_channels=(16, 32),
            layers_per_block=1,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            cross_attention_dim=_TEXT_WIDTH + _WIDTH_2,
            attention_head_dim=4,
            norm_num_groups=4,
            conditioning_embedding_out_channels=(4, 8, 8, 16),
            num_control_type=modes,
            num_trans_channel=16,
            num_trans_head=2,
            num_proj_channel=16,
            **_sizes(refiner=False),
        )
        _strengthen(net, net.controlnet_cond_embedding)
        # What tells the modes apart begins at nothing, too.
        torch.nn.init.normal_(net.task_embedding)
        torch.nn.init.normal_(net.spatial_ch_projs.weight)
        net.save_pretrained(folder)
    return folder


def _strengthen(net: Any, embedding: torch.nn.Module) -> None:
    """Where a control comes out a new net has zeros, which steer nothing; its first layers make it faint."""
    for out in (*net.controlnet_down_blocks, net.controlnet_mid_block):
        torch.nn.init.normal_(out.weight, std=0.03)
    for layer in embedding.modules():
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(layer.weight)
            layer.weight.data *= 1.4


def build_tiny_adapter(folder: Path, *, xl: bool = True, seed: int = 0, colors: int = 3) -> Path:
    """Writes a T2I adapter into `folder` and returns it.

    `xl`: SDXL's kind, which fits the tiny models as they are; else that of SD 1.5, which fits those with
    `attention_first`. `colors` are the channels of its picture.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(400 + seed)
        adapter = T2IAdapter(
            in_channels=colors,
            channels=[16, 32],
            num_res_blocks=1,
            downscale_factor=16 if xl else 8,
            adapter_type="full_adapter_xl" if xl else "full_adapter",
        )
        for layer in adapter.modules():
            if isinstance(layer, torch.nn.Conv2d):
                torch.nn.init.kaiming_normal_(layer.weight)
        adapter.save_pretrained(folder)
    return folder


def build_tiny_image_encoder(folder: Path, *, seed: int = 0) -> Path:
    """Writes CLIP's half for pictures into `folder` and returns it: 16 wide, projects to 12."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(200 + seed)
        config = CLIPVisionConfig(
            hidden_size=_ENCODER_WIDTH,
            intermediate_size=32,
            num_hidden_layers=3,
            num_attention_heads=2,
            image_size=28,
            patch_size=7,
            projection_dim=ENCODER_PROJECTION,
        )
        encoder = CLIPVisionModelWithProjection(config)
        # Fresh ones make all pictures alike.
        for weight in encoder.parameters():
            if weight.ndim > 1:
                torch.nn.init.normal_(weight, std=0.3)
        encoder.save_pretrained(folder)
    return folder


def build_tiny_reference(
    path: Path,
    *,
    kind: Literal["sd15", "sdxl"] = "sd15",
    plus: bool = False,
    seed: int = 0,
    encoder: bool = True,
) -> Path:
    """Writes an IP-Adapter for such a model to `path` and returns it, in the released files' layout.

    `plus` reads the encoder's hidden states through a resampler. With `encoder` an image encoder lies beside.
    """
    xl = kind == "sdxl"
    text = _TEXT_WIDTH + _WIDTH_2 if xl else _TEXT_WIDTH
    noise = torch.Generator().manual_seed(300 + seed)

    def fresh(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=noise) / shape[-1] ** 0.5

    tensors = {}
    # On the way down, up, up, and in the middle: SDXL's attentions have two layers there.
    for number in range(8 if xl else 4):
        for what in ("to_k_ip", "to_v_ip"):
            tensors[f"ip_adapter.{2 * number + 1}.{what}.weight"] = 2.0 * fresh(32, text)
    projection = _resampler(text, fresh) if plus else _projection(text, fresh)
    tensors |= {f"image_proj.{name}": tensor for name, tensor in projection.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
    if encoder and not (path.parent / "image_encoder").exists():
        build_tiny_image_encoder(path.parent / "image_encoder")
    return path


def _projection(text: int, fresh: Callable[..., torch.Tensor]) -> dict[str, torch.Tensor]:
    return {
        "proj.weight": fresh(4 * text, ENCODER_PROJECTION),
        "proj.bias": torch.zeros(4 * text),
        "norm.weight": torch.ones(text),
        "norm.bias": torch.zeros(text),
    }


def _resampler(text: int, fresh: Callable[..., torch.Tensor]) -> dict[str, torch.Tensor]:
    width, inner = 8, 64
    tensors = {
        "latents": fresh(1, 5, width),
        "proj_in.weight": fresh(width, _ENCODER_WIDTH),
        "proj_in.bias": torch.zeros(width),
        "proj_out.weight": fresh(text, width),
        "proj_out.bias": torch.zeros(text),
        "norm_out.weight": torch.ones(text),
        "norm_out.bias": torch.zeros(text),
    }
    for layer in range(4):
        attention, forward = f"layers.{layer}.0", f"layers.{layer}.1"
        for norm in (f"{attention}.norm1", f"{attention}.norm2", f"{forward}.0"):
            tensors |= {f"{norm}.weight": torch.ones(width), f"{norm}.bias": torch.zeros(width)}
        tensors[f"{attention}.to_q.weight"] = fresh(inner, width)
        tensors[f"{attention}.to_kv.weight"] = fresh(2 * inner, width)
        tensors[f"{attention}.to_out.weight"] = fresh(width, inner)
        tensors[f"{forward}.1.weight"] = fresh(4 * width, width)
        tensors[f"{forward}.3.weight"] = fresh(width, 4 * width)
    return tensors


def _pooled(pooled_text: bool) -> dict[str, object]:
    if not pooled_text:
        return {}
    return {
        "addition_embed_type": "text",
        "addition_embed_type_num_heads": 2,
        "encoder_hid_dim": None,
        "resnet_time_scale_shift": "scale_shift",
    }


def _sizes(*, refiner: bool) -> dict[str, object]:
    return {
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": _SIZE_WIDTH,
        # A refiner reads one rating in place of two target sizes.
        "projection_class_embeddings_input_dim": (5 if refiner else 6) * _SIZE_WIDTH + _POOLED,
        "use_linear_projection": True,
        "transformer_layers_per_block": (1, 2),
    }


def _index(kind: Kind, vae: str, shared_from: str) -> dict[str, object]:
    index: dict[str, object] = {
        "_class_name": _CLASSES[kind],
        "_diffusers_version": "0.42.1",
        "feature_extractor": [None, None],
        "image_encoder": [None, None],
        "scheduler": ["diffusers", "DDIMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderTiny" if vae == "tiny" else "AutoencoderKL"],
    }
    if kind.startswith("sdxl"):
        index["scheduler"] = ["diffusers", "EulerDiscreteScheduler"]
        index["text_encoder_2"] = ["transformers", "CLIPTextModelWithProjection"]
        index["tokenizer_2"] = ["transformers", "CLIPTokenizer"]
        index["force_zeros_for_empty_prompt"] = kind != "sdxl-refiner"
        if kind != "sdxl":
            index["requires_aesthetics_score"] = kind == "sdxl-refiner"
        if kind == "sdxl-refiner":
            index["text_encoder"] = index["tokenizer"] = [None, None]
    else:
        index |= {"requires_safety_checker": False, "safety_checker": [None, None]}
    if shared_from:
        index["_shared_from"] = shared_from
    return index


def _traits(kind: Kind) -> dict[str, object]:
    return {
        "title": f"Tiny random {kind}",
        "license": "Apache-2.0",
        "native_size_px": NATIVE,
        "size_multiple_px": 8,
        "min_size_px": 16,
        "max_size_px": 256,
        "default_steps": 4,
        "default_guidance": 5.0,
        "default_scheduler": "euler" if kind.startswith("sdxl") else "ddim",
    }


def _write_sdxl(folder: Path, kind: Kind, vae: Literal["kl", "tiny"], prediction_type: str) -> None:
    if kind != "sdxl-refiner":
        clip_tokenizer(77).save_pretrained(folder / "tokenizer")
        CLIPTextModel(clip_config(77)).save_pretrained(folder / "text_encoder")
    clip_tokenizer(77, pad="!").save_pretrained(folder / "tokenizer_2")
    config = clip_config(77, _WIDTH_2, projection_dim=_POOLED, hidden_act="gelu", num_hidden_layers=3)
    CLIPTextModelWithProjection(config).save_pretrained(folder / "text_encoder_2")
    autoencoder = _vae(vae)
    if vae == "kl":
        autoencoder.register_to_config(scaling_factor=0.13025)
    autoencoder.save_pretrained(folder / "vae")
    scheduler = EulerDiscreteScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        prediction_type=prediction_type,
        timestep_spacing="leading",
        steps_offset=1,
    )
    # As in the released models, for the other schedulers that are made from it.
    scheduler.register_to_config(clip_sample=False, set_alpha_to_one=False, skip_prk_steps=True)
    scheduler.save_pretrained(folder / "scheduler")


def clip_tokenizer(length: int, pad: str = "<|endoftext|>") -> CLIPTokenizer:
    """CLIP's, for the letters and `WORDS`."""
    letters = [chr(code) for code in range(ord("!"), ord("~") + 1)]
    tokens = letters + [f"{letter}</w>" for letter in letters]
    merges: list[tuple[str, str]] = []
    for word in WORDS:
        pieces = [*word[:-1], f"{word[-1]}</w>"]
        while len(pieces) > 1:
            merge = (pieces[0], pieces[1])
            pieces = ["".join(merge), *pieces[2:]]
            if merge not in merges:
                merges.append(merge)
            if pieces[0] not in tokens:
                tokens.append(pieces[0])
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    vocab = {token: index for index, token in enumerate(tokens)}
    return CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=length, pad_token=pad)


def _text_encoder(length: int) -> CLIPTextModel:
    return CLIPTextModel(clip_config(length))


def clip_config(length: int, width: int = _TEXT_WIDTH, **more: object) -> CLIPTextConfig:
    """Of an encoder for `clip_tokenizer`."""
    size = len(clip_tokenizer(length))
    values: dict[str, object] = {"projection_dim": width, "num_hidden_layers": 2, **more}
    return CLIPTextConfig(
        vocab_size=size,
        hidden_size=width,
        intermediate_size=32,
        num_attention_heads=2,
        max_position_embeddings=length,
        bos_token_id=size - 2,
        eos_token_id=size - 1,
        pad_token_id=size - 1,
        **values,
    )


def _vae(kind: str) -> AutoencoderKL | AutoencoderTiny:
    if kind == "tiny":
        return AutoencoderTiny(
            encoder_block_out_channels=(8, 8, 8, 8),
            decoder_block_out_channels=(8, 8, 8, 8),
            num_encoder_blocks=(1, 1, 1, 1),
            num_decoder_blocks=(1, 1, 1, 1),
            scaling_factor=1.3,
        )
    return AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        norm_num_groups=4,
        layers_per_block=1,
        sample_size=NATIVE,
    )


def _scheduler(prediction_type: str) -> DDIMScheduler:
    return DDIMScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        clip_sample=False,
        prediction_type=prediction_type,
        set_alpha_to_one=False,
        steps_offset=1,
    )


def _unet(
    in_channels: int, pooled_text: bool, guidance_width: int | None, attention_first: bool
) -> UNet2DConditionModel:
    extra = {"time_cond_proj_dim": guidance_width, **_pooled(pooled_text)}
    if attention_first:
        extra["down_block_types"] = ("CrossAttnDownBlock2D", "DownBlock2D")
        extra["up_block_types"] = ("UpBlock2D", "CrossAttnUpBlock2D")
    return _plain_unet(in_channels, _TEXT_WIDTH, extra)


def _sdxl_unet(in_channels: int, kind: Kind) -> UNet2DConditionModel:
    refiner = kind == "sdxl-refiner"
    width = _WIDTH_2 if refiner else _TEXT_WIDTH + _WIDTH_2
    return _plain_unet(in_channels, width, _sizes(refiner=refiner))


def _plain_unet(in_channels: int, text_width: int, extra: dict[str, object]) -> UNet2DConditionModel:
    blocks = {
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
    }
    return UNet2DConditionModel(
        sample_size=NATIVE // 8,
        in_channels=in_channels,
        out_channels=4,
        block_out_channels=(16, 32),
        layers_per_block=1,
        cross_attention_dim=text_width,
        attention_head_dim=4,
        norm_num_groups=4,
        **{**blocks, **extra},
    )
