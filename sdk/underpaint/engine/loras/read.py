"""A LoRA's file: whatever program wrote it, diffusers' converters know which layers they mean."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import torch

from underpaint.engine.loras.factors import Factors, Layers, Norm, Widened
from underpaint.engine.loras.lycoris import Product, product_of, take_products
from underpaint.errors import ModelUnusable
from underpaint.weights.denoisers import FLUX_CHANNELS

State = dict[str, torch.Tensor]

_REFUSED = {
    "DoRA": ("dora_scale", "lora_magnitude_vector"),
    "OFT or BOFT": ("oft_blocks", "oft_diag"),
    "IA3": ("on_input",),
    "GLoRA": ("a1.weight", "b1.weight"),
    "factors of a kernel (CP decomposition)": ("lora_mid.weight", "hada_t1", "hada_t2", "lokr_t2"),
    "whole weights, not factors": ("diff", "diff_b", "w_norm", "b_norm", "set_weight"),
    "trained biases": ("lora_up.bias",),
}
_PREFIXES = ("unet.", "transformer.", "text_encoder.", "text_encoder_2.")
_PAIRS = (
    (".lora_down.weight", ".lora_up.weight"),
    (".lora_A.weight", ".lora_B.weight"),
    (".lora.down.weight", ".lora.up.weight"),
    ("_lora.down.weight", "_lora.up.weight"),
)
_PEFT = "base_model.model."
_NAMED = 3
_NORMS = tuple(f".norm_{which}.weight" for which in ("q", "k", "added_q", "added_k"))
_FIRST_LAYER = "x_embedder"


def read_lora(path: Path, denoiser: str, config: Any) -> dict[str, Layers]:
    """What it adds by component ("unet", "text_encoder", …) and layer, on the CPU, as the file has it.

    `denoiser` is the name of the component that names without a component belong to, `config` its
    configuration. Raises `ModelUnusable` for kinds that cannot be added beside a layer.
    """
    from safetensors import safe_open

    with safe_open(path, framework="pt", device="cpu") as file:
        state: State = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        said = _adapter_config(file.metadata() or {})
    _refuse(path, state, said)
    try:
        state, products = take_products(state)
    except ValueError as error:
        _unusable(path, f"it has {error}")
    if products and denoiser == "transformer":
        _unusable(path, "it is a LoHa or LoKr for a transformer; those for U-Nets can be used")
    try:
        state = _converted(_scaled(path, state), denoiser, config)
    except (KeyError, ValueError, IndexError) as error:
        _unusable(path, f"its tensors are named as no known program names them ({str(error)[:200]})")
    norms = {name: state.pop(name) for name in [*state] if name.endswith(_NORMS)}
    found = {
        component: _factors(path, component, layers, said.get(component, {}), products, config)
        for component, layers in _by_component(state, denoiser).items()
    }
    for component, layers in _by_component(norms, denoiser).items():
        brought = found.setdefault(component, {})
        if not any(isinstance(one, Widened) for one in brought.values()):
            # Nothing but what makes a transformer read an image is known to bring them.
            _unusable(path, f"it has {component}.{next(iter(layers))}, which is no factor of a LoRA")
        brought.update(_norms(layers))
    return found


def _scaled(path: Path, state: State) -> State:
    """Without alphas: what each makes of its layer is in the upper factor."""
    scaled = {name: tensor for name, tensor in state.items() if not name.endswith(".alpha")}
    for name in state.keys() - scaled.keys():
        layer = name.removesuffix(".alpha")
        down, up = next(
            (
                (layer + down, layer + up)
                for down, up in _PAIRS
                if layer + down in state and layer + up in state
            ),
            ("", ""),
        )
        if not up:
            _unusable(path, f"it has {name} without the two factors that this belongs to")
        scaled[up] = state[up].float() * (float(state[name]) / state[down].shape[0])
    return scaled


def _converted(state: State, denoiser: str, config: Any) -> State:
    """The tensors in diffusers' names."""
    from diffusers.loaders.lora_pipeline import FluxLoraLoaderMixin, StableDiffusionXLLoraLoaderMixin

    if denoiser == "transformer":
        converted: State = FluxLoraLoaderMixin.lora_state_dict(state)
    else:
        converted, _ = StableDiffusionXLLoraLoaderMixin.lora_state_dict(state, unet_config=config)
    return converted


def _by_component(state: State, denoiser: str) -> dict[str, State]:
    found: dict[str, State] = {}
    bare = not any(name.startswith(_PREFIXES) for name in state)
    for name, tensor in state.items():
        component, layer = (denoiser, name.removeprefix(_PEFT)) if bare else tuple(name.split(".", 1))
        found.setdefault(component, {})[layer] = tensor
    return found


def _factors(
    path: Path, component: str, state: State, said: Mapping[str, Any], products: list[Product], config: Any
) -> Layers:
    downs, ups, biases = {}, {}, {}
    for name, tensor in _peft_names(component, state).items():
        layer, _, which = name.rpartition(".lora_")
        if which == "A.weight":
            downs[layer] = tensor
        elif which == "B.weight":
            ups[layer] = tensor
        elif which == "B.bias":
            biases[layer] = tensor
        else:
            _unusable(path, f"it has {component}.{name}, which is no factor of a LoRA")
    alone = sorted(downs.keys() ^ ups.keys() | biases.keys() - ups.keys())
    if alone:
        _unusable(path, f"it has one factor of two for {component}.{alone[0]}. Download it again")
    layers: Layers = {}
    for layer, down in downs.items():
        if product := product_of(down, products):
            layers[layer] = product
            continue
        rank = down.shape[0]
        if ups[layer].ndim < 2 or ups[layer].shape[1] != rank:
            _unusable(path, f"its factors for {component}.{layer} do not fit one another. Download it again")
        wide = layer == _FIRST_LAYER and down.shape[1] == 2 * getattr(config, "in_channels", FLUX_CHANNELS)
        kind = Widened if wide else Factors
        layers[layer] = kind(down, ups[layer], _scale(layer, rank, said), biases.get(layer))
    return layers


def _norms(state: State) -> Layers:
    return {name.removesuffix(".weight"): Norm(weight) for name, weight in state.items()}


def _scale(layer: str, rank: int, said: Mapping[str, Any]) -> float:
    """Alpha by rank, as peft's configuration says; where there is none, alpha is the rank."""
    if not said:
        return 1.0
    alpha = float(said.get("lora_alpha", rank))
    for pattern, value in (said.get("alpha_pattern") or {}).items():
        # peft's rule: a pattern means the end of a layer's name.
        if re.match(rf"(.*\.)?({pattern})$", layer):
            alpha = float(value)
            break
    return alpha / (float(rank) ** 0.5 if said.get("use_rslora") else rank)


def _peft_names(component: str, state: State) -> State:
    """peft's names: a layer's, then `.lora_A.weight` or `.lora_B.weight`."""
    from diffusers.utils.state_dict_utils import (
        StateDictType,
        convert_state_dict_to_peft,
        convert_unet_state_dict_to_peft,
    )

    if all(".lora_A." in name or ".lora_B." in name for name in state):
        return state
    if not component.startswith("text_encoder"):
        named: State = convert_unet_state_dict_to_peft(dict(state))
        return named
    # kohya's names come out of the converters half in the older way and half in the newer one.
    for way in (StateDictType.DIFFUSERS_OLD, StateDictType.DIFFUSERS):
        state = convert_state_dict_to_peft(dict(state), original_type=way)
    return state


def _adapter_config(metadata: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """peft's configuration by component, as diffusers writes it into the header."""
    try:
        flat = json.loads(metadata.get("lora_adapter_metadata", "{}"))
    except ValueError:
        return {}
    found: dict[str, dict[str, Any]] = {}
    for name, value in flat.items() if isinstance(flat, dict) else ():
        component, _, key = name.partition(".")
        found.setdefault(component, {})[key] = value
    return found


def _refuse(path: Path, state: State, said: Mapping[str, Mapping[str, Any]]) -> None:
    for kind, endings in _REFUSED.items():
        name = next((name for name in state if name.endswith(tuple(f".{end}" for end in endings))), "")
        if name or (kind == "DoRA" and any(one.get("use_dora") for one in said.values())):
            _unusable(path, f"it is of a kind that cannot be added beside a layer: {kind} ({name})")


def _unusable(path: Path, why: str) -> NoReturn:
    raise ModelUnusable(
        f"The LoRA {path.stem!r} cannot be used: {why}.", metadata={"model": path.stem, "path": str(path)}
    )
