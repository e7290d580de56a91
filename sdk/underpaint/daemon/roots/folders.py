"""A folder in which models lie, as a layout names it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """Where to look. Models are named by their path below `path`."""

    path: Path
    kind: str = ""
    """What its owner keeps there (see `underpaint.weights.kinds`): names what cannot be looked into."""
    name: str = ""
    """Put before the names of what lies in it."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What a root turned out to be. `problem` says why nothing can be found there."""

    name: str
    folders: tuple[ModelFolder, ...] = ()
    tokenizers: tuple[Path, ...] = ()
    """Folders with vocab.json and merges.txt, or with tokenizer.json."""
    problem: str = ""


def below(root: Path, kinds: Mapping[str, str]) -> Iterator[ModelFolder]:
    """Those folders of a table (path below the root: kind) that are there, each real folder once."""
    seen: set[Path] = set()
    for place, kind in kinds.items():
        folder = root / place
        if folder.is_dir():
            real = folder.resolve()
            if real not in seen:
                seen.add(real)
                yield ModelFolder(folder, kind)


def once(folders: Iterable[ModelFolder]) -> tuple[ModelFolder, ...]:
    """Without those that were named before."""
    kept: dict[Path, ModelFolder] = {}
    for folder in folders:
        kept.setdefault(folder.path, folder)
    return tuple(kept.values())
