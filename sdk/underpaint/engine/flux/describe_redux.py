"""FLUX.1 Redux, a folder as diffusers writes it (`FluxPriorReduxPipeline`) or one file, without torch.

Beside `model_index.json` or the file may lie `underpaint.json` with title and license.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from underpaint.engine.controls.describe import facts_of, unusable
from underpaint.engine.controls.describe_reference import REFERENCE
from underpaint.hookspecs import ControlTraits
from underpaint.weights import kinds
from underpaint.weights.safetensors import read_safetensors

CLASS = "FluxPriorReduxPipeline"
EMBEDDER, ENCODER, PIXELS = "image_embedder", "image_encoder", "feature_extractor"
"""Its parts: what makes words of what the encoder says, the encoder, what prepares pixels for it."""
_FILES = {EMBEDDER: "config.json", ENCODER: "config.json", PIXELS: "preprocessor_config.json"}


def describe_redux(folder: Path, index: Mapping[str, Any]) -> ControlTraits | None:
    """Its traits, None for another pipeline. Reads JSON files only. Raises `ModelUnusable`."""
    if index.get("_class_name") != CLASS:
        return None
    read = {part: _config(folder, part, name) for part, name in _FILES.items()}
    for part in (EMBEDDER, ENCODER):
        if not any((folder / part).glob("*.safetensors")):
            raise unusable(folder, f"its {part} has no safetensors weights. Download it again, completely")
    width, reads = read[ENCODER].get("hidden_size", 768), read[EMBEDDER].get("redux_dim", 1152)
    if width != reads:
        raise unusable(folder, f"its {ENCODER} is {width} wide, and its {EMBEDDER} reads {reads}")
    facts = facts_of(folder)
    return ControlTraits(
        kind=kinds.REDUX,
        base=words_base(int(read[EMBEDDER].get("txt_in_features", 4096))),
        roles=(REFERENCE,),
        encoder=f"SigLIP, {width} wide",
        title=str(facts.get("title", folder.name)),
        license=str(facts.get("license", "")),
    )


def describe_redux_file(path: Path) -> ControlTraits:
    """The traits of its layers in a file; the encoder lies elsewhere. Raises `ModelUnusable`."""
    config = redux_config(path)
    facts = facts_of(path)
    return ControlTraits(
        kind=kinds.REDUX,
        base=words_base(config["txt_in_features"]),
        roles=(REFERENCE,),
        encoder=f"SigLIP, {config['redux_dim']} wide",
        title=str(facts.get("title", path.stem)),
        license=str(facts.get("license", "")),
    )


def redux_config(path: Path) -> Mapping[str, int]:
    """What the layers in a file read and make. Raises `ModelUnusable`."""
    listing = read_safetensors(path)
    reads, makes = listing.size("redux_up.weight", 1), listing.size("redux_down.weight", 0)
    if not reads or not makes:
        raise unusable(path, "its tensors are not those of FLUX.1 Redux")
    return {"redux_dim": reads, "txt_in_features": makes}


def words_base(width: int) -> str:
    """What a Redux and a transformer agree in: how wide a word of the text is."""
    return f"text {width}"


def _config(folder: Path, part: str, name: str) -> Mapping[str, Any]:
    try:
        found = json.loads((folder / part / name).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise unusable(
            folder, f"{part}/{name} is missing or no JSON. Download it again, completely"
        ) from error
    if not isinstance(found, dict):
        raise unusable(folder, f"{part}/{name} holds no object. Download it again")
    return found
