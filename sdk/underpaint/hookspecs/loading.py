"""Entry points of one group, loaded one by one: a broken one is reported, the rest go on working."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import metadata
from typing import Any

import pluggy

from underpaint.hookspecs.markers import PROJECT
from underpaint.types import PluginInfo

EntryPoints = Callable[..., Iterable[metadata.EntryPoint]]
log = logging.getLogger(__name__)


class PluginSet:
    """The plug-ins of one side. Made once; `infos` may be read from any thread.

    specs: the class with the hooks, `EngineSpecs` or `HostSpecs`.
    entry_points: who finds them by `group`; None: the installed distributions.
    built_in: plug-ins that need no entry point, by name.
    allow: if not empty, only plug-ins of these names are imported. block: these are not, in any case.
    """

    def __init__(
        self,
        group: str,
        specs: type,
        *,
        entry_points: EntryPoints | None = None,
        built_in: Mapping[str, object] | None = None,
        allow: Sequence[str] = (),
        block: Sequence[str] = (),
    ) -> None:
        self._infos: dict[str, PluginInfo] = {}
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(specs)
        self._allow, self._block = frozenset(allow), frozenset(block)
        for name, plugin in (built_in or {}).items():
            self._add(name, PROJECT, lambda plugin=plugin: plugin)  # type: ignore[misc]
        for entry in (entry_points or metadata.entry_points)(group=group):
            self._add(entry.name, _distribution(entry), entry.load)

    def infos(self) -> list[PluginInfo]:
        """Every plug-in by name: broken ones with their traceback, those that were left out as blocked."""
        return sorted(self._infos.values(), key=lambda info: info.name)

    def each(self, hook: str) -> list[tuple[str, Any]]:
        """What the hook gives, as (plug-in, value). Asks one at a time: one that raises is reported."""
        found: list[tuple[str, Any]] = []
        everyone = [plugin for _, plugin in self._manager.list_name_plugin() if plugin is not None]
        for name, plugin in self._manager.list_name_plugin():
            others = [other for other in everyone if other is not plugin]
            try:
                for values in self._manager.subset_hook_caller(hook, others)():
                    pairs = values.items() if isinstance(values, Mapping) else values
                    found += [(name, value) for value in list(pairs)]
            except Exception:
                log.exception("hook %s of plug-in %s failed", hook, name)
                self.report(name, traceback.format_exc())
        return found

    def named(self, hook: str, attributes: Sequence[str]) -> dict[str, Any]:
        """What the hook gives, by its `name`; a name belongs to whoever comes first.

        A value without one of `attributes`, or with a name that is taken, is left out and reported.
        """
        found: dict[str, Any] = {}
        owners: dict[str, str] = {}
        for plugin, value in self.each(hook):
            missing = [attribute for attribute in attributes if not hasattr(value, attribute)]
            if missing:
                self.report(plugin, f"{hook}: {value!r} has no {', '.join(missing)}")
            elif value.name in found:
                self.report(plugin, f"{hook}: the name {value.name!r} is {owners[value.name]}'s already")
            else:
                found[value.name], owners[value.name] = value, plugin
        return found

    def report(self, name: str, problem: str) -> None:
        """Remembers what is wrong with a plug-in; what was wrong before stays."""
        known = self._infos[name]
        problem = f"{known.problem}\n{problem}".strip()
        self._infos[name] = PluginInfo(name, known.distribution, known.hooks, problem)

    def _add(self, name: str, distribution: str, load: Callable[[], object]) -> None:
        if name in self._infos:
            name = f"{name} ({distribution})"
        if name in self._block or (self._allow and name not in self._allow):
            self._infos[name] = PluginInfo(name, distribution, blocked=True)
            return
        self._infos[name] = PluginInfo(name, distribution)
        try:
            plugin = load()
            self._manager.register(plugin, name=name)
            self._manager.check_pending()
        # A module that ends the interpreter at its import is a broken plug-in like any other.
        except (Exception, SystemExit):
            log.exception("plug-in %s is broken; going on without it", name)
            self.report(name, traceback.format_exc())
            if self._manager.has_plugin(name):
                self._manager.unregister(name=name)
            return
        hooks = tuple(sorted(hook.name for hook in self._manager.get_hookcallers(plugin) or ()))
        self._infos[name] = PluginInfo(name, distribution, hooks)


def _distribution(entry: metadata.EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else ""
