"""Tiny upscalers with random weights, in the shapes by which spandrel knows them."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file

State = dict[str, torch.Tensor]


def compact(path: Path, *, scale: int = 4, layers: int = 3, width: int = 8, seed: int = 0) -> Path:
    """Real-ESRGAN's compact network: `layers` + 2 convolutions, which look as many pixels far."""
    state: State = {}
    generator = torch.Generator().manual_seed(seed)

    def conv(index: int, outputs: int, inputs: int) -> None:
        spread = (9 * inputs) ** -0.5
        state[f"body.{index}.weight"] = torch.randn(outputs, inputs, 3, 3, generator=generator) * spread
        state[f"body.{index}.bias"] = torch.randn(outputs, generator=generator) * 0.02

    conv(0, width, 3)
    for layer in range(layers):
        state[f"body.{2 * layer + 1}.weight"] = torch.full((width,), 0.25)
        conv(2 * layer + 2, width, width)
    state[f"body.{2 * layers + 1}.weight"] = torch.full((width,), 0.25)
    conv(2 * layers + 2, 3 * scale**2, width)
    save_file(state, path)
    return path


def esrgan(path: Path, *, width: int = 4, seed: int = 0) -> Path:
    """ESRGAN in its new naming, one block, four times larger."""
    growth = 32  # which spandrel takes for granted
    state: State = {}
    generator = torch.Generator().manual_seed(seed)

    def conv(name: str, outputs: int, inputs: int, gain: float = 1.0) -> None:
        spread = gain * (9 * inputs) ** -0.5
        state[f"{name}.weight"] = torch.randn(outputs, inputs, 3, 3, generator=generator) * spread
        state[f"{name}.bias"] = torch.zeros(outputs)

    conv("conv_first", width, 3)
    for dense in (1, 2, 3):
        for index in range(1, 6):
            outputs = growth if index < 5 else width
            conv(f"body.0.rdb{dense}.conv{index}", outputs, width + growth * (index - 1))
    for name in ("conv_body", "conv_up1", "conv_up2", "conv_hr"):
        conv(name, width, width)
    conv("conv_last", 3, width)
    save_file(state, path)
    return path
