"""Plug-ins on the daemon's side: families, model roots, processors, safety filters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from underpaint.hookspecs import (
    ENGINE_GROUP,
    EngineSpecs,
    FamilyDescriptor,
    PostprocessorDescriptor,
    PreprocessorDescriptor,
    SafetyFilter,
)
from underpaint.hookspecs.loading import EntryPoints, PluginSet
from underpaint.types import PluginInfo


class Plugins:
    """What the entry points gave. Made once, off the event loop; read from any thread after."""

    def __init__(
        self,
        entry_points: EntryPoints | None = None,
        *,
        installed_models: bool = True,
        allow: Sequence[str] = (),
        block: Sequence[str] = (),
    ) -> None:
        self._set = PluginSet(ENGINE_GROUP, EngineSpecs, entry_points=entry_points, allow=allow, block=block)
        families: dict[str, FamilyDescriptor] = self._named("underpaint_families", FamilyDescriptor)
        self.families: tuple[FamilyDescriptor, ...] = tuple(families.values())
        self.preprocessors: dict[str, PreprocessorDescriptor] = self._named(
            "underpaint_preprocessors", PreprocessorDescriptor
        )
        self.postprocessors: dict[str, PostprocessorDescriptor] = self._named(
            "underpaint_postprocessors", PostprocessorDescriptor
        )
        self.safety_filters: dict[str, SafetyFilter] = self._named("underpaint_safety_filters", SafetyFilter)
        self.model_roots: tuple[Path, ...] = tuple(self._roots()) if installed_models else ()

    def infos(self) -> list[PluginInfo]:
        """Every plug-in by name, broken ones with their traceback."""
        return self._set.infos()

    def family(self, name: str) -> FamilyDescriptor | None:
        """The family of that name; the first one where two plug-ins claim it."""
        return next((family for family in self.families if family.name == name), None)

    def _named(self, hook: str, kind: type[Any]) -> dict[str, Any]:
        return self._set.named(hook, [field.name for field in fields(kind)])

    def _roots(self) -> list[Path]:
        found: list[Path] = []
        for plugin, value in self._set.each("underpaint_model_roots"):
            if isinstance(value, (str, Path)) and Path(value).is_absolute():
                found.append(Path(value))
            else:
                self._set.report(plugin, f"underpaint_model_roots: {value!r} is no absolute path")
        return found
