"""FLUX control nets (`FluxControlNetModel`), a folder as diffusers writes it or one file, without torch.

One with `num_mode` is a union net: `underpaint.json` may say `modes`, an object of roles with their numbers;
without it those of InstantX' and Shakker Labs' nets are taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from underpaint.engine.controls.describe import facts_of, given_roles, name_of, named_roles, unusable
from underpaint.engine.controls.describe_file import with_untold
from underpaint.engine.controls.describe_union import numbered
from underpaint.hookspecs import ControlTraits
from underpaint.weights import kinds
from underpaint.weights.flux_nets import UNTOLD, flux_net_config, shown_channels
from underpaint.weights.safetensors import read_safetensors

CLASS = "FluxControlNetModel"
MODES: Mapping[str, int] = {
    "canny": 0,
    "tile": 1,
    "depth": 2,
    "blur": 3,
    "pose": 4,
    "grey": 5,
    "low-quality": 6,
}
"""Of InstantX/FLUX.1-dev-Controlnet-Union and Shakker-Labs/FLUX.1-dev-ControlNet-Union-Pro."""


def describe_flux_net(folder: Path, config: Mapping[str, Any]) -> ControlTraits | None:
    """A FLUX control net's traits, None for another network. Reads JSON files only.

    Raises `ModelUnusable` where it has no safetensors weights.
    """
    if config.get("_class_name") != CLASS:
        return None
    if not any(folder.glob("*.safetensors")):
        raise unusable(folder, "it has no safetensors weights. Get these, or convert it with diffusers")
    return _traits(folder, config)


def describe_flux_net_file(path: Path) -> ControlTraits | None:
    """The same for one safetensors file, under diffusers' or XLabs' names. Raises `ModelUnusable`."""
    config = _config(path)
    return None if config is None else _traits(path, config)


def flux_net_config_of(path: Path) -> Mapping[str, Any]:
    """The configuration of a net in a file. Raises `ModelUnusable`."""
    config = _config(path)
    if config is None:
        raise unusable(path, "its tensors are not those of a control net for FLUX.1")
    return config


def _config(path: Path) -> Mapping[str, Any] | None:
    listing = read_safetensors(path)
    config = flux_net_config(listing)
    if config is None:
        return None
    shown = shown_channels(listing)
    if shown != config["in_channels"]:
        raise unusable(
            path,
            f"its control image has {shown} channels a token, and {config['in_channels']} can be run: nets "
            "that read a mask beside it cannot",
        )
    return with_untold(path, config, UNTOLD)


def _traits(place: Path, config: Mapping[str, Any]) -> ControlTraits:
    facts, modes, name = facts_of(place), modes_of(place, config), name_of(place)
    roles = given_roles(place, facts) if "roles" in facts else named_roles(name)
    return ControlTraits(
        kind=kinds.CONTROL_NET_UNION if modes else kinds.CONTROL_NET,
        base=base_of_transformer(config),
        roles=tuple(modes) or roles,
        title=str(facts.get("title", name)),
        license=str(facts.get("license", "")),
    )


def modes_of(place: Path, config: Mapping[str, Any]) -> Mapping[str, int]:
    """The number of each role that a union net knows; nothing for any other. Raises `ModelUnusable`."""
    count = int(config.get("num_mode") or 0)
    return numbered(place, count, MODES) if count else {}


def base_of_transformer(config: Mapping[str, Any]) -> str:
    """What a control net for this transformer must be like."""
    heads, width = config.get("num_attention_heads", 24), config.get("attention_head_dim", 128)
    return (
        f"{config.get('in_channels', 64)} channels a token, {heads} heads of {width}, "
        f"text {config.get('joint_attention_dim', 4096)} with {config.get('pooled_projection_dim', 768)}"
    )
