"""Tiny LoRAs with random weights for the tiny models, in the names that training programs give."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import save_file
from torch import nn
from transformers import CLIPTextModel, CLIPTextModelWithProjection

Naming = Literal["kohya", "diffusers", "diffusers-old", "peft"]

RANK = 3
UNET_LAYERS = (
    "to_q",
    "to_k",
    "to_v",
    "to_out.0",
    "ff.net.0.proj",
    "ff.net.2",
    "proj_in",
    "proj_out",
    "conv1",
)
TEXT_LAYERS = ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")
_KOHYA = {
    True: {"unet": "lora_unet", "text_encoder": "lora_te1", "text_encoder_2": "lora_te2"},
    False: {"unet": "lora_unet", "text_encoder": "lora_te"},
}


def write_lora(
    path: Path,
    model: Path,
    *,
    naming: Naming = "kohya",
    seed: int = 0,
    alpha: float = 2.0,
    size: float = 0.4,
    parts: tuple[str, ...] = ("unet", "text_encoder", "text_encoder_2"),
    layers: tuple[str, ...] = (*UNET_LAYERS, *TEXT_LAYERS),
    metadata: Mapping[str, str] | None = None,
) -> Path:
    """Writes a LoRA for the tiny model in the folder `model` and returns its path."""
    generator = torch.Generator().manual_seed(1000 + seed)
    state: dict[str, torch.Tensor] = {}
    said: dict[str, object] = {}
    xl = (model / "text_encoder_2").is_dir()
    for part in parts:
        for name, weight in _layers(model, part, layers):
            kernel = weight.shape[2:]
            down = torch.randn(RANK, weight.shape[1], *kernel, generator=generator)
            up = torch.randn(weight.shape[0], RANK, *([1] * len(kernel)), generator=generator)
            down, up = down / down[0].numel() ** 0.5, size * up / RANK**0.5
            if naming == "kohya":
                place = f"{_KOHYA[xl][part]}_{_told(part, name).replace('.', '_')}"
                state |= {f"{place}.lora_down.weight": down, f"{place}.lora_up.weight": up}
                state[f"{place}.alpha"] = torch.tensor(alpha)
            else:
                place = f"{part}.{_told(part, name)}"
                old = naming == "diffusers-old"
                low, high = (".lora.down", ".lora.up") if old and part == "unet" else (".lora_A", ".lora_B")
                if old and part != "unet":
                    low, high = (".lora_linear_layer.down", ".lora_linear_layer.up")
                state |= {f"{place}{low}.weight": down, f"{place}{high}.weight": up}
        mine = tuple(layer for layer in layers if (layer in TEXT_LAYERS) != (part == "unet"))
        said |= {f"{part}.r": RANK, f"{part}.lora_alpha": alpha, f"{part}.target_modules": mine}
        said[f"{part}.alpha_pattern"] = {"to_k": 2 * alpha, r"layers\.0\.mlp\.fc1": 3 * alpha}
    about = dict(metadata or {})
    if naming == "peft":
        about["lora_adapter_metadata"] = json.dumps(said)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, path, {"format": "pt", **about})
    return path


def network(model: Path, part: str) -> Any:
    """A component of a tiny model."""
    if part == "unet":
        return UNet2DConditionModel.from_pretrained(model / part)
    kind = CLIPTextModelWithProjection if part == "text_encoder_2" else CLIPTextModel
    return kind.from_pretrained(model / part)


def _layers(model: Path, part: str, layers: tuple[str, ...]) -> Iterator[tuple[str, torch.Tensor]]:
    if not (model / part).is_dir():
        return
    for name, module in network(model, part).named_modules():
        if isinstance(module, nn.Linear | nn.Conv2d) and name.endswith(tuple(f".{one}" for one in layers)):
            yield name, module.weight.detach()


def _told(part: str, name: str) -> str:
    """A layer as files name it: transformers 5 dropped a word."""
    return name if part == "unet" or name.startswith("text_model.") else f"text_model.{name}"
