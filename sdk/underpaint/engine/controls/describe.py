"""Control nets as diffusers writes them (`ControlNetModel`), described without torch.

Beside `config.json` may lie `underpaint.json` with title, license and roles (kebab-case, the main one first).
Without it the role is read from the folder's name, where that says it as the known nets' names do.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from underpaint.errors import ModelUnusable
from underpaint.hookspecs import ControlTraits

TRAITS_FILE = "underpaint.json"
CLASS = "ControlNetModel"
SIZES = "text_time"
"""`addition_embed_type` of nets that take sizes and pooled text, as SDXL does."""

# Files that diffusers and transformers name alike in every folder.
_ANONYMOUS = re.compile(r"(diffusion_pytorch_model.*|(pytorch_)?model(\.(fp16|bf16))?)$")

ROLE_WORDS: Mapping[str, str] = {
    "canny": "canny",
    "lineart": "line-art",
    "softedge": "soft-edge",
    "hed": "soft-edge",
    "scribble": "scribble",
    "sketch": "scribble",
    "depth": "depth",
    "normal": "normal",
    "normalbae": "normal",
    "openpose": "pose",
    "openposexl": "pose",
    "pose": "pose",
    "seg": "segmentation",
    "mlsd": "straight-lines",
    "tile": "tile",
}
"""Roles by words of folders' and files' names, of the ControlNet 1.0 and 1.1 nets for example."""


def describe_control_net(folder: Path, config: Mapping[str, Any]) -> ControlTraits | None:
    """A control net's traits, None for another kind of network. Reads JSON files only.

    Raises `ModelUnusable` where weights are missing or exist only as pickles.
    """
    return describe_net(folder, config) if config.get("_class_name") == CLASS else None


def describe_net(folder: Path, config: Mapping[str, Any]) -> ControlTraits:
    """The traits of any network in a folder that answers with residuals for a U-Net.

    Raises `ModelUnusable`.
    """
    if not any(folder.glob("*.safetensors")):
        raise ModelUnusable(
            f"The control model {folder.name!r} has no safetensors weights. Download it again, or make them "
            f"of its .bin file: underpaint models convert '{folder / 'diffusion_pytorch_model.bin'}'.",
            metadata={"model": folder.name, "path": str(folder)},
        )
    return net_traits(folder, config)


def net_traits(place: Path, config: Mapping[str, Any]) -> ControlTraits:
    """The same of one whose weights are there, in a folder or a file."""
    facts, name = facts_of(place), name_of(place)
    return ControlTraits(
        base=_base(
            channels=int(config.get("in_channels", 4)),
            factor=int(2 ** (len(config.get("conditioning_embedding_out_channels") or (0,) * 4) - 1)),
            config=config,
        ),
        roles=given_roles(place, facts) if "roles" in facts else named_roles(name),
        title=str(facts.get("title", name)),
        license=str(facts.get("license", "")),
    )


def base_of_unet(unet: Mapping[str, Any], latent_channels: int, factor: int) -> str:
    """What a control net for this U-Net must be like; `factor` is how many pixels a latent cell spans.

    The mask and the masked picture of a U-Net for inpainting are not shown to a control net.
    """
    return _base(channels=latent_channels, factor=factor, config=unet)


def _base(channels: int, factor: int, config: Mapping[str, Any]) -> str:
    blocks = "-".join(str(width) for width in config.get("block_out_channels") or (320, 640, 1280, 1280))
    added = config.get("addition_embed_type")
    parts = (
        f"{channels} channels of {factor} px",
        f"blocks {blocks} by {config.get('layers_per_block', 2)}",
        f"text {config.get('cross_attention_dim', 1280)}" + (f" added as {added}" if added else ""),
    )
    return ", ".join(parts)


def facts_of(place: Path) -> Mapping[str, Any]:
    """What `underpaint.json` says, in a control model's folder or beside its file. Raises `ModelUnusable`."""
    path = place / TRAITS_FILE if place.is_dir() else place.with_name(f"{place.stem}.{TRAITS_FILE}")
    if not path.is_file():
        return {}
    try:
        facts = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise unusable(place, f"{path.name} is not valid JSON ({error})") from error
    if not isinstance(facts, dict):
        raise unusable(place, f"{path.name} holds no object")
    return facts


def given_roles(place: Path, facts: Mapping[str, Any]) -> tuple[str, ...]:
    """The roles that such facts name, none where they name none. Raises `ModelUnusable`."""
    given = facts.get("roles", [])
    if not isinstance(given, list) or not all(isinstance(role, str) for role in given):
        raise unusable(place, f"roles in {TRAITS_FILE} must be a list of names")
    return tuple(dict.fromkeys(given))


def name_of(place: Path) -> str:
    """What a control model is called: its folder's name, or its file's where that is one of its own."""
    stem = place.name if place.is_dir() else place.stem
    return place.parent.name if not place.is_dir() and _ANONYMOUS.match(stem) else stem


def named_roles(name: str) -> tuple[str, ...]:
    """The roles that a folder's or a file's name tells."""
    words = re.findall(r"[a-z]+", re.sub(r"\d+", " ", name.lower()))
    return tuple(dict.fromkeys(ROLE_WORDS[word] for word in words if word in ROLE_WORDS))


def unusable(place: Path, why: str) -> ModelUnusable:
    """The error for a control model that cannot be used."""
    return ModelUnusable(
        f"The control model {place.name!r} cannot be used: {why}.",
        metadata={"model": place.name, "path": str(place)},
    )
