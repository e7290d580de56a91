"""One model's folder, looked at without loading it: what it is, or why it cannot be used. Blocking."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from underpaint.daemon.roots.walk import INDEX
from underpaint.errors import ModelUnusable
from underpaint.hookspecs import ControlTraits, FamilyDescriptor, ModelTraits
from underpaint.weights import kinds
from underpaint.weights.probe import PICKLES

log = structlog.get_logger(__name__)

DETAILS = "underpaint.json"
CONFIG = "config.json"
SHARED = "_shared_from"
STEERS = "it steers other models, see 'underpaint models controls'"
SERVES = "it serves IP-Adapters and Redux, see 'underpaint models controls'"
MAX_JSON = 1 << 20
CONTROLS = ("ControlNet", "T2IAdapter")
"""Words in the class names of control models' configurations."""
STEERING = {"FluxPriorReduxPipeline": kinds.REDUX}
"""Pipelines that are control models, and their kind."""


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A model's folder or file. `traits` and `family` are None where `problem` says why."""

    name: str
    path: Path
    family: FamilyDescriptor | None = None
    traits: ModelTraits | None = None
    size_bytes: int = 0
    problem: str = ""
    kind: str = kinds.PIPELINE
    told: str = ""
    """The family that a file's header tells, whether anything here runs it or not."""


@dataclass(frozen=True, slots=True)
class FoundControl:
    """A control model. `traits` and `family` are None where `problem` says why."""

    name: str
    folder: Path
    """Its folder, or the file that holds it."""
    family: FamilyDescriptor | None = None
    traits: ControlTraits | None = None
    size_bytes: int = 0
    problem: str = ""
    encoder: Path | None = None
    """The folder of the image encoder that it looks through, where it needs one."""


def fingerprint(folder: Path) -> tuple[object, ...]:
    """Changes when the folder's files do; cheap enough to ask at every listing."""
    marks: list[object] = []
    for path in (folder / INDEX, folder / DETAILS, folder):
        marks.append(_mtime(path))
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.is_dir():
            marks.append((entry.name, _mtime(Path(entry.path)), _mtime(Path(entry.path) / "config.json")))
    shared = _quietly(folder / INDEX).get(SHARED)
    if shared and isinstance(shared, str):
        sibling = Path(os.path.normpath(folder / shared))
        marks.append(_mtime(sibling / INDEX))
        if sibling.is_dir():
            marks += [_mtime(Path(entry.path)) for entry in os.scandir(sibling) if entry.is_dir()]
    return tuple(marks)


def look(name: str, folder: Path, root: Path, families: Sequence[FamilyDescriptor]) -> FoundModel:
    """Looks at a folder below `root`; never raises for what is wrong with the model itself."""
    try:
        index = _read(folder / INDEX)
        _check_shared(folder, root, _shared(index))
        for family in families:
            traits = _recognise(family, folder, index)
            if traits is not None:
                _check_components(traits.components, root)
                return FoundModel(name, folder, family, traits, _weights(traits.components))
    except ModelUnusable as error:
        return FoundModel(name, folder, problem=error.message)
    except OSError as error:
        return FoundModel(name, folder, problem=f"{error.filename or folder}: {error.strerror}")
    kind = index.get("_class_name", "nothing")
    if kind in STEERING:
        return FoundModel(name, folder, problem=STEERS, kind=STEERING[kind])
    known = ", ".join(family.title for family in families) or "none; is underpaint[engine] installed?"
    return FoundModel(name, folder, problem=f"no engine knows {kind!r} models; known are: {known}")


def look_control(
    name: str, folder: Path, root: Path, families: Sequence[FamilyDescriptor]
) -> FoundControl | None:
    """Looks at a network's folder, or at a pipeline that steers; None if it is no control model."""
    pipeline = (folder / INDEX).is_file()
    config = _quietly(folder / (INDEX if pipeline else CONFIG))
    kind = str(config.get("_class_name", ""))
    if not (kind in STEERING if pipeline else any(word in kind for word in CONTROLS)):
        return None

    def recognise(family: FamilyDescriptor) -> ControlTraits | None:
        return family.recognise_control(folder, config) if family.recognise_control else None

    try:
        _check_components({"control model": folder}, root)
    except (ModelUnusable, OSError) as error:
        return FoundControl(name, folder, problem=_problem(error, folder))
    return _control(name, folder, families, recognise, f"no engine knows {kind!r} control models")


def look_control_file(name: str, path: Path, kind: str, families: Sequence[FamilyDescriptor]) -> FoundControl:
    """Looks at a control model in one file, whose header says that it is of `kind`."""

    def recognise(family: FamilyDescriptor) -> ControlTraits | None:
        return family.recognise_control_file(path, kind) if family.recognise_control_file else None

    return _control(name, path, families, recognise, f"no engine uses this {kind} from a single file")


def _control(
    name: str,
    place: Path,
    families: Sequence[FamilyDescriptor],
    recognise: Callable[[FamilyDescriptor], ControlTraits | None],
    unknown: str,
) -> FoundControl:
    try:
        size = place.stat().st_size if place.is_file() else _weights(_parts(place))
        for family in families:
            traits = recognise(family)
            if traits is not None:
                return FoundControl(name, place, family, traits, size)
    except (ModelUnusable, OSError) as error:
        return FoundControl(name, place, problem=_problem(error, place))
    except Exception as error:
        # A plug-in's reader stumbled over this one: the others are still listed.
        log.exception("control model cannot be read", path=str(place))
        return FoundControl(name, place, problem=f"it cannot be read: {error!r}")
    return FoundControl(name, place, problem=unknown)


def _parts(folder: Path) -> Mapping[str, Path]:
    """The folders of a control model that have its weights."""
    if not (folder / INDEX).is_file():
        return {"": folder}
    return {entry.name: Path(entry.path) for entry in os.scandir(folder) if entry.is_dir()}


def _problem(error: ModelUnusable | OSError, place: Path) -> str:
    if isinstance(error, ModelUnusable):
        return error.message
    return f"{error.filename or place}: {error.strerror}"


def _recognise(family: FamilyDescriptor, folder: Path, index: Mapping[str, Any]) -> ModelTraits | None:
    try:
        return family.recognise(folder, index)
    except (ModelUnusable, OSError):
        raise
    except Exception as error:
        # A plug-in's reader stumbled over this model: the others are still listed.
        log.exception("family cannot read a model", family=family.name, folder=str(folder))
        raise ModelUnusable(f"the family {family.name} cannot read {folder}: {error!r}") from error


def _read(path: Path) -> Mapping[str, Any]:
    if path.stat().st_size > MAX_JSON:
        raise ModelUnusable(f"{path} is larger than a model index can be")
    try:
        index = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ModelUnusable(f"{path} is not valid JSON ({error}): download the model again") from error
    if not isinstance(index, dict):
        raise ModelUnusable(f"{path} does not hold an object: download the model again")
    return index


def _quietly(path: Path) -> Mapping[str, Any]:
    try:
        return _read(path)
    except (OSError, ModelUnusable):
        return {}


def _shared(index: Mapping[str, Any]) -> str:
    shared = index.get(SHARED, "")
    if not isinstance(shared, str):
        raise ModelUnusable(f"{SHARED} in {INDEX} must be a relative path, is {shared!r}")
    return shared


def _check_shared(folder: Path, root: Path, shared: str) -> None:
    if not shared:
        return
    sibling = Path(os.path.normpath(folder / shared))
    if Path(shared).is_absolute() or not _inside(sibling, root):
        raise ModelUnusable(f"{SHARED} names {shared!r}, outside of {root}: put both models into one root")
    if not (sibling / INDEX).is_file():
        raise ModelUnusable(f"{SHARED} names {shared!r}, but {sibling} holds no {INDEX}")


def _check_components(components: Mapping[str, Path], root: Path) -> None:
    for name, path in components.items():
        if not _inside(Path(os.path.normpath(path)), root):
            raise ModelUnusable(f"its {name} lies at {path}, outside of {root}")
        if not path.is_dir():
            raise ModelUnusable(f"its folder {name} is missing ({path}): download the model again")
        files = [entry.name for entry in os.scandir(path)]
        pickles = sorted(file for file in files if file.endswith(PICKLES))
        if pickles and not any(file.endswith(".safetensors") for file in files):
            raise ModelUnusable(
                f"its {name} comes as a pickle ({pickles[0]}), and loading a pickle runs whatever code it "
                "holds. Get the model's safetensors files, or make one of each such file: underpaint models "
                f"convert '{path / pickles[0]}'"
            )


def _inside(path: Path, root: Path) -> bool:
    # By name first: what a user links into a root is meant to be there.
    return path.is_relative_to(os.path.normpath(root)) or path.resolve().is_relative_to(root.resolve())


def _weights(components: Mapping[str, Path]) -> int:
    return sum(
        entry.stat().st_size
        for folder in set(components.values())
        for entry in os.scandir(folder)
        if entry.name.endswith(".safetensors")
    )


def _mtime(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
