"""The index of models on disk: which there are, which are usable, which are the defaults."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import structlog

from underpaint.daemon.plugins import Plugins
from underpaint.daemon.scan import INDEX, FoundModel, fingerprint, look
from underpaint.errors import ModelNotFound, ModelUnusable
from underpaint.types import ControlRole, ModelInfo
from underpaint.worker_v1.worker_service_pb2 import ModelSource

log = structlog.get_logger(__name__)

PREFERRED = "swatch"
PREFERRED_INPAINT = "swatch-inpaint"
FRESH_S = 1.0


class ModelIndex:
    """Models below the roots of settings and plug-ins, and folders that a request names by absolute path.

    Names are folder names; where two roots have one, the earlier root wins. Scans run in a thread and read
    small files only; an unchanged folder is not read again.
    """

    def __init__(
        self,
        roots: Sequence[Path],
        *,
        default_model: str = "",
        default_inpaint_model: str = "",
        load_plugins: Callable[[], Plugins] = Plugins,
    ) -> None:
        self._roots = tuple(root.absolute() for root in roots)
        self._default, self._default_inpaint = default_model, default_inpaint_model
        self._load_plugins = load_plugins
        self._plugins: Plugins | None = None
        self._cache: dict[Path, tuple[tuple[object, ...], FoundModel]] = {}
        self._last_scan: tuple[float, list[FoundModel]] = (-FRESH_S, [])
        self._lock = threading.Lock()

    async def plugins(self) -> Plugins:
        """The plug-ins, loaded at the first call: entry points take a while to find."""
        return await asyncio.to_thread(self._loaded)

    async def roots(self) -> tuple[Path, ...]:
        """Folders whose subfolders are models, the one that wins first."""
        plugins = await self.plugins()
        return tuple(dict.fromkeys((*self._roots, *plugins.model_roots)))

    async def all(self) -> list[FoundModel]:
        """Every model by name, broken ones with their problem."""
        return await asyncio.to_thread(self._scan)

    async def find(self, name: str) -> FoundModel:
        """A usable model by name or absolute path; raises ModelNotFound or ModelUnusable."""
        recent = self._recent() or []
        known = next((model for model in recent if model.name == name), None)
        found = known if known is not None else await asyncio.to_thread(self._find, name)
        if found.traits is None or found.family is None:
            raise _unusable(found)
        return found

    async def defaults(self) -> tuple[str, str]:
        """Names used for painting and for inpainting when a request names no model; "" if there is none.

        Painting: the setting `default_model`; else `swatch`; else the first usable model that paints from
        words and is no inpainting model; else the first that paints from words.
        Inpainting: the setting `default_inpaint_model`; else `swatch-inpaint`, unless `default_model` is
        set; else the first inpainting model of the default model's family; else the default model, if it
        can; else the first model that can.
        """
        recent = self._recent()
        found = await self.all() if recent is None else recent
        usable = [model for model in found if model.traits is not None]
        return choose_defaults(usable, self._default, self._default_inpaint)

    def _loaded(self) -> Plugins:
        with self._lock:
            if self._plugins is None:
                self._plugins = self._load_plugins()
            return self._plugins

    def _scan(self) -> list[FoundModel]:
        plugins = self._loaded()
        models: dict[str, FoundModel] = {}
        for root in dict.fromkeys((*self._roots, *plugins.model_roots)):
            for folder in _folders(root):
                if folder.name in models:
                    log.debug("model is hidden by one of an earlier root", folder=str(folder))
                    continue
                models[folder.name] = self._look(folder.name, folder, root, plugins)
        found = sorted(models.values(), key=lambda found: found.name)
        self._last_scan = (time.monotonic(), found)
        return found

    def _recent(self) -> list[FoundModel] | None:
        """The last scan, if it is fresh enough for one request: jobs do not wait for the disk."""
        scanned, found = self._last_scan
        return found if time.monotonic() - scanned < FRESH_S else None

    def _find(self, name: str) -> FoundModel:
        models = {found.name: found for found in self._scan()}
        if name in models:
            return models[name]
        # Only an absolute path leaves the roots, and only because the user wrote it out.
        folder = Path(os.path.normpath(name))
        if Path(name).is_absolute() and (folder / INDEX).is_file():
            return self._look(name, folder, folder.parent, self._loaded())
        raise _not_found(name, models.values())

    def _look(self, name: str, folder: Path, root: Path, plugins: Plugins) -> FoundModel:
        try:
            mark = (name, *fingerprint(folder))
        except OSError as error:
            return FoundModel(name, folder, problem=f"{error.filename}: {error.strerror}")
        with self._lock:
            cached = self._cache.get(folder)
        if cached is not None and cached[0] == mark:
            return cached[1]
        found = look(name, folder, root, plugins.families)
        with self._lock:
            self._cache[folder] = (mark, found)
        return found


def choose_defaults(usable: Sequence[FoundModel], paint: str = "", inpaint: str = "") -> tuple[str, str]:
    """The rule of `ModelIndex.defaults`, on usable models in order of name."""
    default = paint or _first(
        (found.name for found in usable if found.name == PREFERRED),
        (found.name for found in usable if _can(found, "txt2img") and not _inpaints_natively(found)),
        (found.name for found in usable if _can(found, "txt2img")),
    )
    family = next((found.family for found in usable if found.name == default), None)
    relatives = (found.name for found in usable if _inpaints_natively(found) and found.family is family)
    shipped = (found.name for found in usable if found.name == PREFERRED_INPAINT)
    return default, inpaint or _first(
        () if paint else shipped,
        relatives,
        (found.name for found in usable if found.name == default and _can(found, "inpaint")),
        (found.name for found in usable if _can(found, "inpaint")),
    )


def to_info(found: FoundModel, *, loaded: bool, controls: Sequence[ControlRole] = ()) -> ModelInfo:
    """As it is listed."""
    traits, family = found.traits, found.family
    if traits is None or family is None:
        return ModelInfo(name=found.name, path=str(found.folder), problem=found.problem)
    return ModelInfo(
        name=found.name,
        title=traits.title,
        family=family.name,
        path=str(found.folder),
        operations=tuple(traits.operations),
        native_size=traits.native_size,
        size_multiple=traits.size_multiple,
        min_size=traits.min_size,
        max_size=traits.max_size,
        default_steps=traits.default_steps,
        default_guidance_scale=traits.default_guidance_scale,
        default_scheduler=traits.default_scheduler or (family.schedulers[0] if family.schedulers else ""),
        schedulers=family.schedulers,
        loaded=loaded,
        size_bytes=found.size_bytes,
        license=traits.license,
        native_inpainting=traits.native_inpainting,
        controls=tuple(controls),
    )


def to_source(found: FoundModel) -> ModelSource:
    """As a worker gets it."""
    if found.traits is None or found.family is None:
        raise _unusable(found)
    return ModelSource(
        name=found.name,
        family=found.family.name,
        engine=found.family.engine,
        components={name: str(path) for name, path in found.traits.components.items()},
        path=str(found.folder),
    )


def _unusable(found: FoundModel) -> ModelUnusable:
    # A family may have put it into a whole sentence already.
    whole = found.problem.startswith("The model ")
    return ModelUnusable(
        found.problem if whole else f"The model {found.name!r} cannot be used: {found.problem}.",
        metadata={"model": found.name, "path": str(found.folder)},
    )


def _folders(root: Path) -> list[Path]:
    try:
        return sorted(folder for folder in root.iterdir() if (folder / INDEX).is_file())
    except OSError as error:
        log.warning("model root cannot be read", root=str(root), error=error.strerror)
        return []


def _not_found(name: str, known: Iterable[FoundModel]) -> ModelNotFound:
    names = ", ".join(found.name for found in known)
    there = f"There are: {names}." if names else "There are none yet: pip install underpaint-swatch."
    hint = f" No {INDEX} lies in that folder." if Path(name).is_absolute() else ""
    return ModelNotFound(
        f"There is no model {name[:200]!r}.{hint} {there} "
        "A diffusers folder can be named by its absolute path.",
        metadata={"model": name[:200]},
    )


def _first(*rules: Iterable[str]) -> str:
    return next((name for rule in rules for name in rule), "")


def _can(found: FoundModel, operation: str) -> bool:
    return found.traits is not None and operation in found.traits.operations


def _inpaints_natively(found: FoundModel) -> bool:
    return found.traits is not None and found.traits.native_inpainting
