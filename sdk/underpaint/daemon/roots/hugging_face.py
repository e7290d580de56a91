"""The Hugging Face cache: `models--OWNER--NAME/snapshots/COMMIT`, with `refs/main` naming the commit.

The layout: https://huggingface.co/docs/huggingface_hub/guides/manage-cache
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from underpaint.daemon.roots.folders import Layout, ModelFolder

NAME: Final = "hugging-face"
_PREFIX = "models--"
_MAX_REF = 128


def read(root: Path) -> Layout | None:
    """The cache or the folder above it; None for anything else."""
    for hub in (root / "hub", root):
        repositories = _repositories(hub)
        if repositories:
            snapshots = [(name, found) for name, found in map(_snapshot, repositories) if found is not None]
            folders = tuple(ModelFolder(found, name=name) for name, found in snapshots)
            return Layout(NAME, folders, tuple(_tokenizers(folders)))
    return None


def _repositories(hub: Path) -> list[Path]:
    if not hub.is_dir():
        return []
    return sorted(place for place in hub.iterdir() if place.name.startswith(_PREFIX) and place.is_dir())


def _snapshot(repository: Path) -> tuple[str, Path | None]:
    """The repository's name and the snapshot of its branch `main`, else the one that came last."""
    name = repository.name.removeprefix(_PREFIX).replace("--", "/")
    snapshots = repository / "snapshots"
    main = repository / "refs" / "main"
    if main.is_file() and main.stat().st_size <= _MAX_REF:
        commit = main.read_text("ascii", "replace").strip()
        if commit.isalnum() and (snapshots / commit).is_dir():
            return name, snapshots / commit
    there = [place for place in snapshots.iterdir() if place.is_dir()] if snapshots.is_dir() else []
    return name, max(there, key=lambda place: place.stat().st_mtime_ns, default=None)


def _tokenizers(folders: tuple[ModelFolder, ...]) -> Iterator[Path]:
    for folder in folders:
        for place in (folder.path, folder.path / "tokenizer", folder.path / "tokenizer_2"):
            if (place / "vocab.json").is_file() or (place / "tokenizer.json").is_file():
                yield place
