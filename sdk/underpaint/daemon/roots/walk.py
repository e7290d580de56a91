"""What may be a model below a folder: diffusers folders, and weight files at any depth. Reads no content."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from underpaint.daemon.roots.folders import ModelFolder
from underpaint.weights.probe import SUFFIXES

INDEX = "model_index.json"
MAX_DEPTH = 6
MAX_ENTRIES = 50_000
"""Entries of one root that are looked at: a root is meant to hold models, not a whole disk."""
_SHARD = re.compile(r"-\d{5}-of-\d{5}\.")
# Files that diffusers and transformers name alike in every folder: the folder's name tells them apart.
_ANONYMOUS = re.compile(r"(diffusion_pytorch_model|pytorch_model|model)(\.(fp16|bf16|non_ema))?$")


@dataclass(frozen=True, slots=True)
class Entry:
    """A diffusers folder or a weight file. `status` is the file's, None for folders."""

    path: Path
    name: str
    kind: str
    status: os.stat_result | None = None


def walk(folder: ModelFolder) -> Iterator[Entry]:
    """Entries below a folder in order of name. Raises `OSError` for the folder itself only."""
    budget = [MAX_ENTRIES]
    if (folder.path / INDEX).is_file():
        yield Entry(folder.path, folder.name or folder.path.name, folder.kind)
        return
    yield from _walk(folder.path, folder.name, folder.kind, (os.path.realpath(folder.path),), budget)


def _walk(place: Path, name: str, kind: str, above: tuple[str, ...], budget: list[int]) -> Iterator[Entry]:
    for found in sorted(os.scandir(place), key=lambda found: found.name):
        budget[0] -= 1
        if budget[0] < 0:
            return
        if found.name.startswith("."):
            continue
        inside = f"{name}/{found.name}" if name else found.name
        try:
            if found.is_dir():
                yield from _folder(found, inside, kind, above, budget)
            elif found.name.lower().endswith(SUFFIXES) and not _SHARD.search(found.name):
                yield Entry(Path(found.path), _named(inside), kind, found.stat())
        except OSError:
            continue  # a link that leads nowhere, or a folder of somebody else


def _folder(
    found: os.DirEntry[str], name: str, kind: str, above: tuple[str, ...], budget: list[int]
) -> Iterator[Entry]:
    path = Path(found.path)
    if (path / INDEX).is_file():
        yield Entry(path, name, kind)
        return
    real = os.path.realpath(path)
    # Links to folders are common; one that leads upwards would never end.
    if real not in above and len(above) < MAX_DEPTH:
        yield from _walk(path, name, kind, (*above, real), budget)


def is_anonymous(stem: str) -> bool:
    """Whether a weight file's name is the one that every folder of diffusers' or transformers' has."""
    return _ANONYMOUS.match(stem) is not None


def _named(inside: str) -> str:
    stem = inside.rpartition(".")[0]
    folder, _, last = stem.rpartition("/")
    return folder if folder and is_anonymous(last) else stem
