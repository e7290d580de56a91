"""Which files of a repository on the Hugging Face hub make a model, and which of them are not taken."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from underpaint.errors import InvalidRequest, ModelUnusable
from underpaint.weights.probe import PICKLES

INDEX: Final = "model_index.json"
CONFIG: Final = "config.json"
PROCESSING: Final = "preprocessor_config.json"
NETWORK: Final = "model.safetensors"
"""With its configuration, a network as transformers writes it."""
_WEIGHTS: Final = (".safetensors", ".gguf")
_BESIDE: Final = (".json", ".txt", ".model")
# What our engine does without, however large it is.
_IDLE: Final = {"safety_checker"}
_NAME: Final = re.compile(r"(?:\w[\w.,+() -]*/)*\w[\w.,+() -]*")
"""Paths without a way upwards or out, and without hidden parts."""
_VARIANTS: Final = (".fp16.", ".bf16.")


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a repository. `sha256` is "" for small ones, which have their `blob` instead."""

    name: str
    size: int
    sha256: str = ""
    blob: str = ""
    """SHA-1 as git takes it of the file with its length before it."""


def choose(
    files: Sequence[HubFile], wanted: Sequence[str] = (), index: Mapping[str, Any] | None = None
) -> list[HubFile]:
    """The files to download: those that are `wanted`, a folder of diffusers' or transformers', or the one
    weight file there is.

    `index` is what the repository's `model_index.json` says, where it has one.
    Raises `InvalidRequest` where nothing or too much fits, `ModelUnusable` where weights are pickles only.
    """
    # A name from elsewhere says where something is written here.
    files = [file for file in files if _NAME.fullmatch(file.name)]
    by_name = {file.name: file for file in files}
    if wanted:
        return [_named(by_name, name) for name in wanted]
    if index is not None:
        return _pipeline(files, index)
    if {CONFIG, NETWORK} <= set(by_name):
        return [by_name[name] for name in (CONFIG, PROCESSING, NETWORK) if name in by_name]
    weights = [file for file in files if file.name.endswith(_WEIGHTS)]
    if len(weights) == 1:
        return weights
    if not weights and any(file.name.endswith(PICKLES) for file in files):
        raise _pickles("it")
    names = ", ".join(file.name for file in weights[:12]) or "none"
    raise InvalidRequest(
        f"The repository is no diffusers folder. Choose with --file NAME; its weight files: {names}"
        + (" …" if len(weights) > 12 else "")
    )


def _named(files: dict[str, HubFile], name: str) -> HubFile:
    if name not in files:
        raise InvalidRequest(f"The repository has no file {name!r}.")
    if name.endswith(PICKLES):
        raise _pickles(repr(name))
    if not name.endswith(_WEIGHTS):
        raise InvalidRequest(f"{name!r} is no weight file: they end in {', '.join(_WEIGHTS)}.")
    return files[name]


def _pipeline(files: Sequence[HubFile], index: Mapping[str, Any]) -> list[HubFile]:
    """A diffusers folder: its index, and of each component the configuration and one set of weights."""
    taken = [file for file in files if file.name == INDEX]
    named = [name for name, kind in index.items() if isinstance(kind, list) and any(kind)]
    for folder in sorted(set(named) - _IDLE):
        component = [file for file in files if file.name.rpartition("/")[0] == folder]
        weights = _precision([file for file in component if file.name.endswith(".safetensors")])
        if not weights and any(file.name.endswith(PICKLES) for file in component):
            raise _pickles(f"{folder!r} in it")
        left_out = {file.name for file in component} - {file.name for file in weights}
        taken += [file for file in component if file.name.endswith(_BESIDE) and not _of(file.name, left_out)]
        taken += weights
    return taken


def _precision(weights: list[HubFile]) -> list[HubFile]:
    """The plain files, else those of one shorter number format."""
    plain = [file for file in weights if not any(variant in file.name for variant in _VARIANTS)]
    if plain:
        # Some repositories keep what other programs want beside them.
        known = [file for file in plain if file.name.split("/")[1].startswith(("model", "diffusion_pytorch"))]
        return known or plain
    short = ([file for file in weights if variant in file.name] for variant in _VARIANTS)
    return next((found for found in short if found), [])


def _of(index: str, left_out: set[str]) -> bool:
    """Whether an index lists shards that are not taken."""
    stem, found, _ = index.partition(".safetensors.index")
    return bool(found) and any(name.startswith(stem) and name.endswith(".safetensors") for name in left_out)


def _pickles(what: str) -> ModelUnusable:
    return ModelUnusable(
        f"The weights of {what} are pickles, which are not imported: loading one runs whatever code it "
        "holds. Look for a repository with safetensors; or download the file by other means, and then: "
        "underpaint models convert FILE"
    )
