"""The weights as they are shipped, as checkpoints: a way to go on without the ones they came from."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderTiny, ControlNetModel, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextModel

from . import control
from .export import MODELS
from .masters import State
from .paths import cache


def _state(kind: type[nn.Module], folder: Path) -> State:
    """A component's weights in float32."""
    loaded: nn.Module = kind.from_pretrained(folder, torch_dtype=torch.float32)  # type: ignore[attr-defined]
    return dict(loaded.state_dict())


def _control(folder: Path, gain: float) -> State:
    net = ControlNetModel.from_pretrained(folder, torch_dtype=torch.float32)
    return dict(control.louder(net, 1 / gain).state_dict())


def adopt(root: Path = MODELS) -> list[str]:
    """Write every checkpoint that is missing; returns their names.

    They hold no state of an optimizer: training begins anew from these weights. What the half
    precision of the shipped files rounded away stays lost.
    """
    net = _state(UNet2DConditionModel, root / "swatch" / "unet")
    pool = {
        key.removeprefix("add_embedding."): value for key, value in net.items() if "add_embedding." in key
    }
    autoencoder = _state(AutoencoderTiny, root / "swatch" / "vae")
    # the normalisation is folded in already
    norm = {"mean": torch.zeros(4), "var": torch.ones(4)}
    contents = {
        "vae": {"averaged": {"vae": autoencoder, "norm": norm}},
        "words": {"text": _state(CLIPTextModel, root / "swatch" / "text_encoder"), "pool": pool},
        "swatch": {"averaged": {"unet": net}},
        "inpaint": {"averaged": {"unet": _state(UNet2DConditionModel, root / "swatch-inpaint" / "unet")}},
        **{
            kind: {"averaged": {"control": _control(root / f"swatch-{kind}", control.GAINS[kind])}}
            for kind in control.KINDS
        },
    }
    missing = [name for name in contents if not (cache() / f"{name}.pt").exists()]
    for name in missing:
        torch.save(contents[name], cache() / f"{name}.pt")
    return missing
