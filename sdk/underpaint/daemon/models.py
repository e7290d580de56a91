"""The index of models on disk: which there are, which are usable, which are the defaults."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from underpaint.daemon.catalog import Catalog
from underpaint.daemon.plugins import Plugins
from underpaint.daemon.roots.walk import INDEX
from underpaint.daemon.scan import FoundModel
from underpaint.errors import ModelNotFound, ModelUnusable
from underpaint.types import ControlRole, ModelInfo, PresetInfo
from underpaint.weights import kinds
from underpaint.worker_v1.worker_service_pb2 import ModelSource

PREFERRED = "swatch"
PREFERRED_INPAINT = "swatch-inpaint"
FRESH_S = 1.0
ANY_KIND = "all"
MAX_NAMES = 600
"""Letters of the names that an error lists."""


class ModelIndex:
    """Models below the roots of settings, user and plug-ins, and what a request names by absolute path.

    Names are paths below a root; where two roots have one, the earlier root wins. Scans run in a thread and
    read headers and small files only; what has not changed is not read again.
    """

    def __init__(
        self,
        roots: Sequence[Path],
        *,
        default_model: str = "",
        default_inpaint_model: str = "",
        load_plugins: Callable[[], Plugins] = Plugins,
        roots_file: Path | None = None,
        cache_file: Path | None = None,
    ) -> None:
        self._catalog = Catalog(roots, roots_file, cache_file)
        self._default, self._default_inpaint = default_model, default_inpaint_model
        self._load_plugins = load_plugins
        self._plugins: Plugins | None = None
        self._last_scan: tuple[float, list[FoundModel]] = (-FRESH_S, [])
        self._lock = threading.Lock()

    async def plugins(self) -> Plugins:
        """The plug-ins, loaded at the first call: entry points take a while to find."""
        return await asyncio.to_thread(self._loaded)

    async def roots(self) -> tuple[Path, ...]:
        """Folders in which models lie, the one that wins first."""
        plugins = await self.plugins()
        return await asyncio.to_thread(self._catalog.folders, plugins)

    async def all(self, kind: str = ANY_KIND, *, recent: bool = False) -> list[FoundModel]:
        """Models by name, broken ones with their problem: all, those of a kind, or with "" what paints.

        `recent` takes what a scan of a moment ago found, for the next page of one list.
        """
        found = self._recent() if recent else None
        if found is None:
            found = await asyncio.to_thread(self._scan)
        if kind == ANY_KIND:
            return found
        return [model for model in found if (model.kind == kind if kind else _paints(model))]

    async def find(self, name: str) -> FoundModel:
        """A usable model by name or absolute path; raises ModelNotFound or ModelUnusable."""
        recent = self._recent() or []
        known = next((model for model in recent if model.name == name), None)
        found = known if known is not None else await asyncio.to_thread(self._find, name)
        if found.traits is None or found.family is None:
            raise _unusable(found)
        return found

    async def file_at(self, path: str) -> FoundModel | None:
        """A weight file of any kind by its absolute path; None for anything else."""
        if not Path(path).is_absolute() or "\0" in path:
            return None
        place = Path(os.path.normpath(path))
        return await asyncio.to_thread(lambda: self._catalog.at(place, path, self._loaded()))

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

    async def default(self, operation: str) -> str:
        """The model for an operation of a request that names none; "" if there is none.

        For "edit" the default model if it can, else the first that can.
        """
        paint, inpaint = await self.defaults()
        if operation != "edit":
            return inpaint if operation == "inpaint" else paint
        recent = self._recent()
        return choose_editor(await self.all() if recent is None else recent, paint)

    def _loaded(self) -> Plugins:
        with self._lock:
            if self._plugins is None:
                self._plugins = self._load_plugins()
            return self._plugins

    def _scan(self) -> list[FoundModel]:
        found = self._catalog.scan(self._loaded())
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
        if Path(name).is_absolute() and "\0" not in name:
            found = self._catalog.at(Path(os.path.normpath(name)), name, self._loaded())
            if found is not None:
                return found
        raise _not_found(name, models.values())


def choose_defaults(usable: Sequence[FoundModel], paint: str = "", inpaint: str = "") -> tuple[str, str]:
    """The rule of `ModelIndex.defaults`, on usable models in order of name."""
    default = paint or _first(
        (found.name for found in usable if found.name == PREFERRED),
        (found.name for found in usable if _can(found, "txt2img") and not _is_special(found)),
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


def choose_editor(found: Sequence[FoundModel], paint: str) -> str:
    """The rule of `ModelIndex.default` for "edit", on models in order of name; `paint` is the default one."""
    editing = [model.name for model in found if _can(model, "edit")]
    return paint if paint in editing else _first(editing)


def to_info(
    found: FoundModel,
    *,
    loaded: bool,
    controls: Sequence[ControlRole] = (),
    presets: Sequence[PresetInfo] = (),
) -> ModelInfo:
    """As it is listed."""
    traits, family = found.traits, found.family
    if traits is None or family is None:
        return ModelInfo(
            name=found.name,
            kind=found.kind,
            family=found.told,
            path=str(found.path),
            problem=found.problem,
            size_bytes=found.size_bytes,
        )
    return ModelInfo(
        name=found.name,
        kind=found.kind,
        title=traits.title,
        family=family.name,
        path=str(found.path),
        operations=tuple(traits.operations),
        native_size=traits.native_size,
        size_multiple=traits.size_multiple,
        min_size=traits.min_size,
        max_size=traits.max_size,
        default_steps=traits.default_steps,
        default_guidance_scale=traits.default_guidance_scale,
        default_scheduler=traits.default_scheduler or (family.schedulers[0] if family.schedulers else ""),
        schedulers=family.schedulers,
        scheduler_info=family.scheduler_info,
        presets=tuple(presets),
        loaded=loaded,
        size_bytes=found.size_bytes,
        license=traits.license,
        native_inpainting=traits.native_inpainting,
        controls=tuple(controls),
        regions=traits.regions,
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
        path=str(found.path),
    )


def _unusable(found: FoundModel) -> ModelUnusable:
    # A family may have put it into a whole sentence already.
    whole = found.problem.startswith("The model ")
    problem = found.problem or f"it is of the kind {found.kind}, which paints nothing by itself"
    return ModelUnusable(
        problem if whole else f"The model {found.name!r} cannot be used: {problem}.",
        metadata={"model": found.name, "path": str(found.path)},
    )


def _not_found(name: str, known: Iterable[FoundModel]) -> ModelNotFound:
    names = ", ".join(found.name for found in known if _paints(found))
    names = names if len(names) <= MAX_NAMES else f"{names[:MAX_NAMES]} … (underpaint models list)"
    there = f"There are: {names}." if names else "There are none yet: pip install underpaint-swatch."
    hint = f" It is no folder with {INDEX} and no weight file." if Path(name).is_absolute() else ""
    return ModelNotFound(
        f"There is no model {name[:200]!r}.{hint} {there} "
        "A diffusers folder or a checkpoint can be named by its absolute path.",
        metadata={"model": name[:200]},
    )


def _paints(found: FoundModel) -> bool:
    """Whether it can be a request's model: by its kind, or because what it lacks was found."""
    return found.kind in kinds.PAINTS or found.traits is not None


def _first(*rules: Iterable[str]) -> str:
    return next((name for rule in rules for name in rule), "")


def _can(found: FoundModel, operation: str) -> bool:
    return found.traits is not None and operation in found.traits.operations


def _is_special(found: FoundModel) -> bool:
    """Whether it inpaints natively, or paints nothing without a control image."""
    return _inpaints_natively(found) or (found.traits is not None and bool(found.traits.shown_role))


def _inpaints_natively(found: FoundModel) -> bool:
    return found.traits is not None and found.traits.native_inpainting
