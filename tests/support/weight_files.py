"""Small weight files: headers of a handful of names and shapes that the rules recognise, and no weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import prod
from pathlib import Path

Shapes = Mapping[str, tuple[int, ...]]

_BLOCK = "model.diffusion_model.input_blocks"
VAE: Shapes = {"decoder.conv_in.weight": (512, 4, 3, 3), "decoder.conv_out.weight": (3, 128, 3, 3)}
LORA: Shapes = {
    "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight": (8, 768),
    "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.lora_up.weight": (320, 8),
}
CONTROL_NET: Shapes = {
    "controlnet_cond_embedding.conv_in.weight": (16, 3, 3, 3),
    "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight": (320, 768),
}
EMBEDDING: Shapes = {"emb_params": (2, 768)}
CLIP_L: Shapes = {
    "text_model.embeddings.token_embedding.weight": (49408, 768),
    "text_model.encoder.layers.0.self_attn.q_proj.weight": (768, 768),
}
T5_XXL: Shapes = {
    "shared.weight": (32128, 4096),
    "encoder.block.0.layer.0.SelfAttention.q.weight": (4096, 4096),
}
FLUX_VAE: Shapes = {**VAE, "decoder.conv_in.weight": (512, 16, 3, 3)}
FLUX_SCHNELL: Shapes = {
    "img_in.weight": (3072, 64),
    "double_blocks.0.img_attn.qkv.weight": (9216, 3072),
    "single_blocks.37.linear2.weight": (3072, 15360),
}
FLUX_DEV: Shapes = {**FLUX_SCHNELL, "guidance_in.in_layer.weight": (3072, 256)}
FLUX_FILL: Shapes = {**FLUX_DEV, "img_in.weight": (3072, 384)}
SD15: Shapes = {
    f"{_BLOCK}.0.0.weight": (320, 4, 3, 3),
    f"{_BLOCK}.8.1.transformer_blocks.0.attn2.to_k.weight": (1280, 768),
    "model.diffusion_model.out.2.weight": (4, 320, 3, 3),
    **{f"first_stage_model.{name}": shape for name, shape in VAE.items()},
    "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight": (49408, 768),
}
SD15_INPAINT: Shapes = {**SD15, f"{_BLOCK}.0.0.weight": (320, 9, 3, 3)}
SD2: Shapes = {**SD15, f"{_BLOCK}.8.1.transformer_blocks.0.attn2.to_k.weight": (1280, 1024)}
_SDXL_TEXT: Shapes = {"conditioner.embedders.1.model.token_embedding.weight": (49408, 1280)}
SDXL: Shapes = {
    **{name: shape for name, shape in SD15.items() if not name.startswith("cond_stage_model.")},
    f"{_BLOCK}.8.1.transformer_blocks.0.attn2.to_k.weight": (1280, 2048),
    f"{_BLOCK}.8.1.transformer_blocks.9.attn2.to_k.weight": (1280, 2048),
    "conditioner.embedders.0.transformer.text_model.embeddings.token_embedding.weight": (49408, 768),
    **_SDXL_TEXT,
}
SDXL_INPAINT: Shapes = {**SDXL, f"{_BLOCK}.0.0.weight": (320, 9, 3, 3)}
SDXL_REFINER: Shapes = {
    f"{_BLOCK}.0.0.weight": (384, 4, 3, 3),
    f"{_BLOCK}.8.1.transformer_blocks.0.attn2.to_k.weight": (1536, 1280),
    f"{_BLOCK}.8.1.transformer_blocks.3.attn2.to_k.weight": (1536, 1280),
    "model.diffusion_model.out.2.weight": (4, 384, 3, 3),
    **{f"first_stage_model.{name}": shape for name, shape in VAE.items()},
    **{name.replace("embedders.1", "embedders.0"): shape for name, shape in _SDXL_TEXT.items()},
}


def write_weights(
    path: Path, shapes: Shapes, *, dtype: str = "F16", metadata: Mapping[str, str] | None = None
) -> Path:
    """A safetensors file with these tensors, which are a hole that takes no disk."""
    width = {"F16": 2, "BF16": 2, "F32": 4, "F8_E4M3": 1, "U8": 1, "I64": 8}
    entries: dict[str, object] = {} if metadata is None else {"__metadata__": dict(metadata)}
    end = 0
    for name, shape in shapes.items():
        kind = "I64" if name.endswith("position_ids") else dtype
        begin, end = end, end + prod(shape) * width[kind]
        entries[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [begin, end]}
    raw = json.dumps(entries, separators=(",", ":")).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(len(raw).to_bytes(8, "little") + raw)
        file.truncate(8 + len(raw) + end)
    return path


def write_tokenizer(folder: Path, words: int = 49408, pad: str = "<|endoftext|>") -> Path:
    """A vocabulary of so many words that mean nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({f"w{index}": index for index in range(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    (folder / "tokenizer_config.json").write_text(json.dumps({"pad_token": pad}))
    return folder


def write_t5_tokenizer(folder: Path, words: int = 32100) -> Path:
    """A vocabulary of SentencePiece's kind, of so many words that mean nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = [[f"w{index}", 0.0] for index in range(words)]
    content = {"model": {"type": "Unigram", "unk_id": 2, "vocab": vocabulary}}
    (folder / "tokenizer.json").write_text(json.dumps(content))
    return folder
