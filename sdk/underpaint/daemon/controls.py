"""The index of control models on disk: which there are, which models they fit, which roles that gives."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from underpaint.daemon.encoders import encoder_for, lacking
from underpaint.daemon.models import ModelIndex
from underpaint.daemon.roots.walk import INDEX, is_anonymous
from underpaint.daemon.scan import (
    CONFIG,
    DETAILS,
    SERVES,
    STEERS,
    FoundControl,
    FoundModel,
    fingerprint,
    look_control,
    look_control_file,
)
from underpaint.errors import ModelNotFound, ModelUnusable
from underpaint.hookspecs import FamilyDescriptor
from underpaint.types import ControlModelInfo, ControlRole
from underpaint.weights import Prober, kinds

GGUF = ".gguf"
_NETS = (kinds.CONTROL_NET, kinds.CONTROL_NET_UNION)
_PACKED = "control models run from safetensors only, not from GGUF. Get that file"


class ControlIndex:
    """Control models below the roots of the model index, and folders or files named by absolute path.

    Names are paths below a root; where two roots have one, the earlier root wins. Reads headers and small
    files in a thread; what has not changed is not read again.
    """

    def __init__(self, models: ModelIndex) -> None:
        self.models = models
        self._cache: dict[Path, tuple[tuple[object, ...], FoundControl | None]] = {}
        self._lock = threading.Lock()

    async def all(self) -> list[FoundControl]:
        """Every control model by name, broken ones with their problem."""
        roots, families = await self.models.roots(), (await self.models.plugins()).families
        files = await self.models.all(recent=True)
        return await asyncio.to_thread(self._scan, roots, files, families)

    async def find(self, name: str) -> FoundControl:
        """A usable control model by name or absolute path; raises ModelNotFound or ModelUnusable."""
        known = await self.all()
        found = next((one for one in known if one.name == name), None)
        if found is None and Path(name).is_absolute():
            # Only an absolute path leaves the roots, and only because the user wrote it out.
            families = (await self.models.plugins()).families
            files = await self.models.all(recent=True)
            found = await asyncio.to_thread(self._named, Path(os.path.normpath(name)), name, files, families)
        if found is None:
            names = ", ".join(one.name for one in known) or "none yet"
            raise ModelNotFound(
                f"There is no control model {name[:200]!r}. There are: {names}. One is a folder with "
                f"{CONFIG} and safetensors or a single safetensors file in a model root, or named by its "
                "absolute path.",
                metadata={"model": name[:200]},
            )
        if found.traits is None:
            raise _unusable(found)
        return found

    def _scan(
        self, roots: Sequence[Path], files: Sequence[FoundModel], families: Sequence[FamilyDescriptor]
    ) -> list[FoundControl]:
        found: dict[str, FoundControl] = {}
        for root in roots:
            for folder in _folders(root):
                control = None if folder.name in found else self._look(folder, root, families)
                if control is not None:
                    found[folder.name] = control
        folders = {control.folder for control in found.values()}
        for file in files:
            name = file.name.removeprefix(f"{file.kind}:")
            of_folder = file.path.parent in folders and is_anonymous(file.path.stem)
            if file.kind not in kinds.STEERS or name in found or of_folder:
                continue
            control = self._look_file(file, name, families)
            if control is not None:
                found[name] = control
        encoders = _encoders(files)
        return sorted((_seeing(one, encoders) for one in found.values()), key=lambda one: one.name)

    def _named(
        self, path: Path, name: str, files: Sequence[FoundModel], families: Sequence[FamilyDescriptor]
    ) -> FoundControl | None:
        if not path.is_file():
            found = look_control(name, path, path.parent, families)
        else:
            probe = Prober().probe(path)
            if probe.problem:
                return FoundControl(name, path, problem=probe.problem)
            if probe.kind not in kinds.STEERS:
                return None
            found = look_control_file(name, path, probe.kind, families)
        return None if found is None else _seeing(found, _encoders(files))

    def _look(self, folder: Path, root: Path, families: Sequence[FamilyDescriptor]) -> FoundControl | None:
        mark = tuple(_mtime(path) for path in (folder, folder / CONFIG, folder / DETAILS))
        return self._cached(folder, mark, partial(look_control, folder.name, folder, root, families))

    def _look_file(
        self, file: FoundModel, name: str, families: Sequence[FamilyDescriptor]
    ) -> FoundControl | None:
        if (file.path / INDEX).is_file():
            place = file.path
            whole = partial(look_control, name, place, place.parent, families)
            return self._cached(place, (name, *fingerprint(place)), whole)
        if _broken(file):
            return FoundControl(name, file.path, problem=file.problem)
        if file.path.suffix.lower() == GGUF:
            return FoundControl(name, file.path, problem=_PACKED)
        folder = file.path.parent
        if (folder / CONFIG).is_file() and is_anonymous(file.path.stem):
            # A diffusers folder deeper down: its configuration says more than the header.
            mark: tuple[object, ...] = tuple(
                _mtime(path) for path in (folder, folder / CONFIG, folder / DETAILS)
            )
            found = self._cached(
                folder, (name, *mark), partial(look_control, name, folder, folder.parent, families)
            )
            if found is not None:
                return found
        beside = file.path.with_name(f"{file.path.stem}.{DETAILS}")
        mark = (name, file.kind, _mtime(file.path), _mtime(beside), file.size_bytes)
        look = partial(look_control_file, name, file.path, file.kind, families)
        return self._cached(file.path, mark, look)

    def _cached(
        self, place: Path, mark: tuple[object, ...], look: Callable[[], FoundControl | None]
    ) -> FoundControl | None:
        with self._lock:
            cached = self._cache.get(place)
        if cached is not None and cached[0] == mark:
            return cached[1]
        control = look()
        with self._lock:
            self._cache[place] = (mark, control)
        return control


def fits(control: FoundControl, model: FoundModel) -> bool:
    """Whether a control model steers a model; False where either cannot be used."""
    if control.traits is None or model.traits is None:
        return False
    return control.traits.base == base_for(control.traits.kind, model) != ""


def base_for(kind: str, model: FoundModel) -> str:
    """What a control model of this kind must agree with to fit, in words; "": the model takes none."""
    if model.traits is None:
        return ""
    base = model.traits.control_base if kind in _NETS else ""
    return base or model.traits.adapter_bases.get(kind, "")


def roles_of(model: FoundModel, controls: Iterable[FoundControl]) -> tuple[ControlRole, ...]:
    """The roles that a model takes, by name, each with its control models.

    The default is the one whose main role it is, the first by name among several; before all others the
    model itself, where it reads such an image.
    """
    ranked: dict[str, list[tuple[int, str]]] = {}
    for control in controls:
        if control.traits is not None and fits(control, model):
            for rank, role in enumerate(control.traits.roles):
                ranked.setdefault(role, []).append((rank, control.name))
    if model.traits is not None and model.traits.shown_role:
        ranked.setdefault(model.traits.shown_role, []).append((-1, model.name))
    return tuple(
        ControlRole(role, tuple(name for _, name in sorted(names))) for role, names in sorted(ranked.items())
    )


def to_control_info(found: FoundControl, models: Iterable[FoundModel]) -> ControlModelInfo:
    """As it is listed."""
    if found.traits is None or found.family is None:
        return ControlModelInfo(name=found.name, path=str(found.folder), problem=found.problem)
    return ControlModelInfo(
        name=found.name,
        title=found.traits.title,
        family=found.family.name,
        path=str(found.folder),
        roles=tuple(found.traits.roles),
        models=tuple(model.name for model in models if fits(found, model)),
        size_bytes=found.size_bytes,
        license=found.traits.license,
        kind=found.traits.kind,
    )


def _unusable(found: FoundControl) -> ModelUnusable:
    # A family may have put it into a whole sentence already.
    whole = found.problem.startswith("The control model ")
    return ModelUnusable(
        found.problem if whole else f"The control model {found.name!r} cannot be used: {found.problem}.",
        metadata={"model": found.name, "path": str(found.folder)},
    )


def _encoders(files: Iterable[FoundModel]) -> list[Path]:
    # The whole of CLIP is told by its half for text.
    return [
        file.path
        for file in files
        if file.kind == kinds.TEXT_ENCODER or (file.kind == kinds.IMAGE_ENCODER and not _broken(file))
    ]


def _broken(file: FoundModel) -> bool:
    """Whether nothing can be read from a file, whatever it is for."""
    return file.problem not in ("", STEERS, SERVES)


def _seeing(control: FoundControl, encoders: Sequence[Path]) -> FoundControl:
    """With the image encoder that it needs, or the problem that there is none."""
    if control.traits is None or not control.traits.encoder:
        return control
    encoder = encoder_for(control.folder, control.traits.encoder, encoders)
    if encoder is None:
        return replace(control, traits=None, problem=lacking(control.traits.encoder))
    return replace(control, encoder=encoder)


def _folders(root: Path) -> list[Path]:
    # ModelIndex has warned about a root that cannot be read.
    try:
        return sorted(
            folder
            for folder in root.iterdir()
            if (folder / CONFIG).is_file() and not (folder / INDEX).is_file()
        )
    except OSError:
        return []


def _mtime(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
