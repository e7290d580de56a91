"""A tiny Stable Diffusion 3 with random weights; see `tests.tiny_models`."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel
from transformers import CLIPTextModelWithProjection

from tests.tiny_flux import shifted_vae, tiny_t5, tiny_t5_tokenizer
from tests.tiny_models import NATIVE, clip_config, clip_tokenizer

_WIDTHS = (16, 8)
"""Of the two CLIP encoders, and of their pooled texts."""
_T5_WIDTH = 32
_LOUD = 2.0


def build_tiny_sd3(folder: Path, seed: int = 0) -> Path:
    """Writes a model into `folder` and returns it. Native size 64 px, sizes in multiples of 16."""
    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for end, width in zip(("", "_2"), _WIDTHS, strict=True):
            clip_tokenizer(77).save_pretrained(folder / f"tokenizer{end}")
            config = clip_config(77, width, projection_dim=width)
            CLIPTextModelWithProjection(config).save_pretrained(folder / f"text_encoder{end}")
        words = tiny_t5_tokenizer()
        words.save_pretrained(folder / "tokenizer_3")
        tiny_t5(len(words), _T5_WIDTH).save_pretrained(folder / "text_encoder_3")
        shifted_vae().save_pretrained(folder / "vae")
        FlowMatchEulerDiscreteScheduler(shift=3.0).save_pretrained(folder / "scheduler")
        transformer = SD3Transformer2DModel(
            sample_size=NATIVE // 8,
            patch_size=2,
            in_channels=16,
            out_channels=16,
            num_layers=2,
            attention_head_dim=8,
            num_attention_heads=2,
            caption_projection_dim=16,
            joint_attention_dim=_T5_WIDTH,
            pooled_projection_dim=sum(_WIDTHS),
            pos_embed_max_size=16,
            dual_attention_layers=(0,),
            qk_norm="rms_norm",
        )
        for layer in transformer.modules():
            if isinstance(layer, torch.nn.Linear):
                layer.weight.data *= _LOUD
        transformer.save_pretrained(folder / "transformer")
    index = {
        "_class_name": "StableDiffusion3Pipeline",
        "_diffusers_version": "0.42.1",
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
        "text_encoder": ["transformers", "CLIPTextModelWithProjection"],
        "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
        "text_encoder_3": ["transformers", "T5EncoderModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "tokenizer_2": ["transformers", "CLIPTokenizer"],
        "tokenizer_3": ["transformers", "T5TokenizerFast"],
        "transformer": ["diffusers", "SD3Transformer2DModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    (folder / "model_index.json").write_text(json.dumps(index), "utf-8")
    traits = {"native_size_px": NATIVE, "min_size_px": 32, "max_size_px": 256, "license": "Apache-2.0"}
    (folder / "underpaint.json").write_text(json.dumps(traits), "utf-8")
    return folder
