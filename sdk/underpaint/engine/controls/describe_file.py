"""Control nets and union nets for a U-Net in one safetensors file, described without torch from its header.

Beside NAME.safetensors may lie NAME.underpaint.json with title, license, roles, modes and, under `config`,
what no shape tells (see `underpaint.weights.control_nets.UNTOLD`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from underpaint.engine.controls.describe import TRAITS_FILE, facts_of, net_traits, unusable
from underpaint.engine.controls.describe_union import union_traits
from underpaint.hookspecs import ControlTraits
from underpaint.weights.control_nets import UNION, UNTOLD, control_net_config
from underpaint.weights.listing import Listing
from underpaint.weights.safetensors import read_safetensors

# Their residuals count as a whole, not place by place; their names alone tell.
_POOLED = re.compile(r"(^|[^a-z])shuffle([^a-z]|$)")


def describe_net_file(path: Path, *, sdxl: bool) -> ControlTraits | None:
    """The traits of a net in a file; None for another kind of net, or for another family's.

    Raises `ModelUnusable` for what cannot be run by itself.
    """
    listing = read_safetensors(path)
    _check_whole(path, listing)
    config = _config(path, listing)
    if config is None or ("addition_embed_type" in config) is not sdxl:
        return None
    return union_traits(path, config) if config["_class_name"] == UNION else net_traits(path, config)


def net_config(path: Path) -> Mapping[str, Any]:
    """The configuration of a net in a file. Raises `ModelUnusable`."""
    config = _config(path, read_safetensors(path))
    if config is None:
        raise unusable(path, "its tensors are not those of a control net for Stable Diffusion 1.5 or XL")
    return config


def with_untold(path: Path, config: Mapping[str, Any], untold: Collection[str]) -> dict[str, Any]:
    """A configuration that shapes told, with what its user says of the rest. Raises `ModelUnusable`."""
    said = facts_of(path).get("config", {})
    if not isinstance(said, dict) or not said.keys() <= set(untold):
        raise unusable(
            path, f"config in {path.stem}.{TRAITS_FILE} may say {', '.join(untold)} and nothing else"
        )
    return {**config, **said}


def _config(path: Path, listing: Listing) -> Mapping[str, Any] | None:
    config = control_net_config(listing)
    if config is None:
        return None
    if _POOLED.search(path.stem.lower()):
        config["global_pool_conditions"] = True
    return with_untold(path, config, UNTOLD)


def _check_whole(path: Path, listing: Listing) -> None:
    """Raises `ModelUnusable` for files that are a part of a net, or a net of another make."""
    if "lora_controlnet" in listing.shapes:
        raise unusable(
            path,
            "it is a control LoRA, which holds the differences from a U-Net only. Get the whole control net",
        )
    if any(name.startswith("lllite_") for name in listing.shapes):
        raise unusable(path, "it is a ControlNet-LLLite, which underpaint does not have. Get a control net")
    if "difference" in listing.shapes:
        raise unusable(
            path, "it holds differences from Stable Diffusion's weights only. Get the whole control net"
        )
