"""Tiny control models, made as diffusers' folders, as the single files that painters have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from tests.support import original_names as original

State = dict[str, torch.Tensor]
# Tiny networks cut their attention and their norms into other pieces than the released ones.
HEADS: dict[str, Any] = {"attention_head_dim": 4, "norm_num_groups": 4}
SIZES: dict[str, Any] = {**HEADS, "addition_time_embed_dim": 8}


def write_file(
    path: Path,
    state: State,
    dtype: torch.dtype = torch.float32,
    config: dict[str, Any] | None = None,
    **facts: Any,
) -> Path:
    """A single file, with its facts beside it; `config` is what no shape tells."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.to(dtype).contiguous() for name, tensor in state.items()}, path)
    said = {**facts, **({"config": config} if config else {})}
    if said:
        path.with_name(f"{path.stem}.underpaint.json").write_text(json.dumps(said))
    return path


def net_file(
    folder: Path, path: Path, *, naming: str = "diffusers", dtype: torch.dtype = torch.float32, **facts: Any
) -> Path:
    """A tiny control net in one file: `naming` is "diffusers", "original" or "bare", which has no prefix."""
    state = load_file(folder / "diffusion_pytorch_model.safetensors")
    if naming != "diffusers":
        state = original.control_net(state, 1, "control_model." if naming == "original" else "")
    sized = json.loads((folder / "config.json").read_text())["addition_embed_type"]
    return write_file(path, state, dtype, SIZES if sized else HEADS, **facts)
