"""T2I adapters, a folder as diffusers writes it (`T2IAdapter`) or one file, described without torch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from underpaint.engine.controls.bases import feature_base
from underpaint.engine.controls.describe import facts_of, given_roles, name_of, named_roles, unusable
from underpaint.hookspecs import ControlTraits
from underpaint.weights import kinds
from underpaint.weights.listing import Listing
from underpaint.weights.places import prefix_of
from underpaint.weights.safetensors import read_safetensors

CLASS = "T2IAdapter"
XL = "full_adapter_xl"
COMPONENT = "t2i_adapter"
"""How a file's one part is called, see `underpaint.weights.places`."""
_BLOCK = re.compile(r"body\.(?P<block>\d+)\.resnets\.\d+\.block1\.weight")
_LAYER = re.compile(r"body\.\d+\.block1\.weight")
_FACTORS = {64: (1, 8), 192: (3, 8), 256: (1, 16), 768: (3, 16)}
"""Channels of the picture and pixels of a cell, by the channels after both were folded together."""


def describe_adapter(folder: Path, config: Mapping[str, Any], *, sdxl: bool) -> ControlTraits | None:
    """A T2I adapter's traits, None for another network or family. Reads JSON files only.

    Raises `ModelUnusable` where it has no safetensors weights.
    """
    if config.get("_class_name") != CLASS or _is_xl(config) is not sdxl:
        return None
    if not any(folder.glob("*.safetensors")):
        raise unusable(folder, "it has no safetensors weights. Get these, or convert it with diffusers")
    return _traits(folder, config)


def describe_adapter_file(path: Path, *, sdxl: bool) -> ControlTraits | None:
    """The same for one safetensors file under diffusers' or its authors' names. Raises `ModelUnusable`."""
    config = adapter_config(path)
    return _traits(path, config) if _is_xl(config) is sdxl else None


def adapter_config(path: Path) -> Mapping[str, Any]:
    """The configuration that a file's tensors tell by names and shapes. Raises `ModelUnusable`."""
    listing = read_safetensors(path)
    adapter = listing.below(prefix_of(COMPONENT, listing.shapes))
    folded = adapter.size("conv_in.weight", 1)
    layers, channels = _authors_blocks(adapter) or _blocks(adapter)
    if folded not in _FACTORS or not channels or not all(channels):
        raise unusable(
            path, "its tensors are not those of a T2I adapter, or of a light one, which is not run"
        )
    colors, factor = _FACTORS[folded]
    return {
        "in_channels": colors,
        "channels": channels,
        "num_res_blocks": layers,
        "downscale_factor": factor,
        "adapter_type": XL if factor == 16 else "full_adapter",
    }


def _blocks(adapter: Listing) -> tuple[int, list[int]]:
    """Layers of a block, and the channels of each block, under diffusers' names."""
    inside = [found for name in adapter.shapes if (found := _BLOCK.fullmatch(name))]
    blocks = sorted({int(found["block"]) for found in inside})
    channels = [adapter.size(f"body.{block}.resnets.0.block1.weight", 0) for block in blocks]
    return sum(found["block"] == "0" for found in inside), channels


def _authors_blocks(adapter: Listing) -> tuple[int, list[int]] | None:
    """The same under the authors' names, which count layers through all blocks; None for other names.

    The second block is the first that is wider than what it reads.
    """
    count = sum(_LAYER.fullmatch(name) is not None for name in adapter.shapes)
    layers = next((n for n in range(1, count) if f"body.{n}.in_conv.weight" in adapter.shapes), 0)
    if not layers:
        return None
    return layers, [adapter.size(f"body.{n}.block1.weight", 0) for n in range(0, count, layers)]


def _traits(place: Path, config: Mapping[str, Any]) -> ControlTraits:
    facts, name = facts_of(place), name_of(place)
    return ControlTraits(
        kind=kinds.T2I_ADAPTER,
        base=feature_base(_features(config)),
        roles=given_roles(place, facts) if "roles" in facts else named_roles(name),
        title=str(facts.get("title", name)),
        license=str(facts.get("license", "")),
    )


def _is_xl(config: Mapping[str, Any]) -> bool:
    return config.get("adapter_type") == XL


def _features(config: Mapping[str, Any]) -> list[tuple[int, int]]:
    """Channels and span in pixels: each block halves once; in SDXL's only the third does."""
    factor = int(config.get("downscale_factor", 8))
    return [
        (int(width), factor * (2 ** (index > 1) if _is_xl(config) else 2**index))
        for index, width in enumerate(config.get("channels") or (320, 640, 1280, 1280))
    ]
