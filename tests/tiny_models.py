"""Tiny diffusers models with random weights: the whole architecture of SD 1.5 in about a megabyte.

They paint noise, but they run every line that a real model runs. Made offline, in a second or two, and
the same bytes come out for the same arguments.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import torch
from diffusers import AutoencoderKL, AutoencoderTiny, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

Kind = Literal["sd15", "sd15-inpaint"]

NATIVE = 64
"""Edge length in pixels that the tiny models call theirs."""

_WORDS = (
    *("a", "an", "and", "old", "new", "red", "green", "blue", "brick", "wall", "wood", "moss", "stone"),
    *("water", "sky", "tree", "house", "of", "with"),
)
_TEXT_WIDTH = 16


def build_tiny(
    folder: Path,
    *,
    kind: Kind = "sd15",
    seed: int = 0,
    vae: Literal["kl", "tiny"] = "kl",
    prediction_type: Literal["epsilon", "v_prediction"] = "epsilon",
    pooled_text: bool = False,
    text_length: int = 77,
    shared_from: str = "",
) -> Path:
    """Writes a model into `folder` and returns it. Native size 64 px, sizes in multiples of 8.

    `kind` "sd15-inpaint" gives a U-Net with nine input channels. `pooled_text` feeds the pooled text into
    every block (`addition_embed_type="text"`). With `shared_from` (for example "../sibling") only the
    U-Net is written and everything else comes from that folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if not shared_from:
            _tokenizer(text_length).save_pretrained(folder / "tokenizer")
            _text_encoder(text_length).save_pretrained(folder / "text_encoder")
            _vae(vae).save_pretrained(folder / "vae")
            _scheduler(prediction_type).save_pretrained(folder / "scheduler")
        _unet(9 if kind == "sd15-inpaint" else 4, pooled_text).save_pretrained(folder / "unet")
    (folder / "model_index.json").write_text(json.dumps(_index(kind, vae, shared_from), indent=2), "utf-8")
    (folder / "underpaint.json").write_text(json.dumps(_traits(kind), indent=2), "utf-8")
    return folder


def _index(kind: Kind, vae: str, shared_from: str) -> dict[str, object]:
    index: dict[str, object] = {
        "_class_name": "StableDiffusionInpaintPipeline"
        if kind == "sd15-inpaint"
        else "StableDiffusionPipeline",
        "_diffusers_version": "0.42.1",
        "feature_extractor": [None, None],
        "image_encoder": [None, None],
        "requires_safety_checker": False,
        "safety_checker": [None, None],
        "scheduler": ["diffusers", "DDIMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderTiny" if vae == "tiny" else "AutoencoderKL"],
    }
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
        "default_scheduler": "ddim",
    }


def _tokenizer(length: int) -> CLIPTokenizer:
    letters = [chr(code) for code in range(ord("!"), ord("~") + 1)]
    tokens = letters + [f"{letter}</w>" for letter in letters]
    merges: list[tuple[str, str]] = []
    for word in _WORDS:
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
    return CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=length)


def _text_encoder(length: int) -> CLIPTextModel:
    size = len(_tokenizer(length))
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=size,
            hidden_size=_TEXT_WIDTH,
            intermediate_size=32,
            projection_dim=_TEXT_WIDTH,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=length,
            bos_token_id=size - 2,
            eos_token_id=size - 1,
            pad_token_id=size - 1,
        )
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


def _unet(in_channels: int, pooled_text: bool) -> UNet2DConditionModel:
    extra: dict[str, object] = {}
    if pooled_text:
        extra = {
            "addition_embed_type": "text",
            "addition_embed_type_num_heads": 2,
            "encoder_hid_dim": None,
            "resnet_time_scale_shift": "scale_shift",
        }
    return UNet2DConditionModel(
        sample_size=NATIVE // 8,
        in_channels=in_channels,
        out_channels=4,
        block_out_channels=(16, 32),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=_TEXT_WIDTH,
        attention_head_dim=4,
        norm_num_groups=4,
        **extra,
    )
