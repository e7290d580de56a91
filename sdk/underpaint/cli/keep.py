"""Brings a file or a diffusers folder of this machine into the user's folder of models."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from underpaint.cli.hub_files import CONFIG, INDEX, NETWORK
from underpaint.errors import InvalidRequest, ModelUnusable
from underpaint.weights import Prober, kinds
from underpaint.weights.probe import PICKLES, SUFFIXES

_BESIDE: Final = (".json", ".txt", ".model", ".md", ".safetensors", ".gguf")


def bring(source: Path, folder: Path, *, copy: bool) -> Path:
    """Hard-links what it can, else copies, into `folder`; returns where it lies now.

    Raises `ModelUnusable` for what could not be run, `InvalidRequest` for what is no model or there already.
    """
    check(source)
    target = folder / source.name
    if target.exists():
        raise InvalidRequest(f"{target} is there already.")
    folder.mkdir(parents=True, exist_ok=True)
    with _whole(target) as part:
        if source.is_file():
            _take(source, part, copy=copy)
        else:
            for file in _files(source):
                place = part / file.relative_to(source)
                place.parent.mkdir(parents=True, exist_ok=True)
                _take(file, place, copy=copy)
    notes = source.with_name(f"{source.stem}.underpaint.json")
    if source.is_file() and notes.is_file():
        _take(notes, folder / notes.name, copy=True)
    return target


def check(source: Path) -> None:
    """Looks at headers only. Raises `ModelUnusable` and `InvalidRequest` as `bring` does."""
    if source.is_dir():
        _check_folder(source)
        return
    if not source.name.lower().endswith(SUFFIXES):
        raise InvalidRequest(f"{source} is no weight file: they end in .safetensors or .gguf.")
    probe = Prober().probe(source)
    if probe.problem:
        raise ModelUnusable(
            f"{source.name!r} is not imported: {probe.problem}", metadata={"path": str(source)}
        )
    if probe.kind == kinds.UNKNOWN:
        raise ModelUnusable(
            f"{source.name!r} is not imported: what it is cannot be told from the names and shapes of its "
            "tensors.",
            metadata={"path": str(source)},
        )


def _check_folder(source: Path) -> None:
    network = (source / CONFIG).is_file() and (source / NETWORK).is_file()
    if not network and not (source / INDEX).is_file():
        raise InvalidRequest(
            f"{source} is no folder of diffusers' or transformers': it has no {INDEX}, and not both "
            f"{CONFIG} and {NETWORK}. To use a folder of files where it lies: "
            f"underpaint models roots add '{source}'"
        )
    for folder in sorted({path.parent for path in source.rglob("*") if path.name.endswith(PICKLES)}):
        if not any(folder.glob("*.safetensors")):
            pickle = next(path for path in sorted(folder.iterdir()) if path.name.endswith(PICKLES))
            raise ModelUnusable(
                f"{source.name!r} is not imported: the weights of {folder.name!r} are a pickle. Make "
                f"safetensors of it: underpaint models convert '{pickle}'",
                metadata={"path": str(pickle)},
            )
    for path in sorted(source.rglob("*.safetensors")):
        problem = Prober().probe(path).problem
        if problem:
            raise ModelUnusable(f"{source.name!r} is not imported: {path.relative_to(source)}: {problem}")


def _files(source: Path) -> Iterator[Path]:
    for path in sorted(source.rglob("*")):
        inside = path.relative_to(source)
        hidden = any(part.startswith(".") for part in inside.parts)
        if path.is_file() and path.name.endswith(_BESIDE) and not hidden:
            yield path


def _take(source: Path, target: Path, *, copy: bool) -> None:
    # The file itself, where `source` is a link to it, as in the Hugging Face cache.
    real = source.resolve()
    if not copy:
        try:
            os.link(real, target)
        except OSError:
            copy = True  # another disk, or one that knows no links
    if copy:
        shutil.copyfile(real, target)


@contextmanager
def _whole(target: Path) -> Iterator[Path]:
    """A place beside `target` that becomes it at the end; nothing is left where that is not reached."""
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        yield part
        part.rename(target)
    finally:
        if part.is_dir():
            shutil.rmtree(part)
        else:
            part.unlink(missing_ok=True)
