"""What plug-ins add to every host: verbs, control sources, other hosts' adapters.

    extensions = load_extensions()
    for verb in extensions.verbs_for(adapter):
        menu.add(verb.title, lambda: start_verb(session, verb, {"prompt": "moss"}))

Nothing is loaded by an import: a host asks when its panel or menu is made. Plug-ins are distributions: those
of the host's Python, and wheels or folders that lie in `extensions` beside the settings, which all hosts of
this user look into (`underpaint.wire.paths.extensions_dir`).
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from underpaint import alias
from underpaint.errors import InvalidRequest, Violation
from underpaint.hookspecs import HOSTS_GROUP, ControlSource, HostSpecs, Verb
from underpaint.hookspecs.loading import EntryPoints, PluginSet
from underpaint.host import standard
from underpaint.host.adapter import HostAdapter
from underpaint.types import PluginInfo
from underpaint.wire.paths import extensions_dir

DOCUMENT = "document"
"""What an extension may need beside the values of `Capability`."""
_VERB = ("name", "title", "start", "numbers", "texts", "needs")
_SOURCE = ("name", "title", "read", "choices", "needs")


class _Needs(Protocol):
    @property
    def needs(self) -> frozenset[str]: ...


class Extensions:
    """What the entry points of the group `underpaint.hosts` gave, and what underpaint itself brings.

    Made on the host's main thread; read there too. Plug-ins were loaded one by one: a broken one is listed
    in `infos` with its traceback, the others work.
    """

    def __init__(
        self,
        entry_points: EntryPoints | None = None,
        *,
        allow: tuple[str, ...] = (),
        block: tuple[str, ...] = (),
    ) -> None:
        built_in = {"standard": standard}
        self._set = PluginSet(
            HOSTS_GROUP, HostSpecs, entry_points=entry_points, built_in=built_in, allow=allow, block=block
        )
        self.verbs: dict[str, Verb] = {}
        """Every verb by name."""
        self.control_sources: dict[str, ControlSource] = {}
        """Every control source by name."""
        self.hosts: dict[str, Callable[[], HostAdapter]] = {}
        """Factories of adapters by host name; of two that claim one, the first has it."""
        self.verbs |= self._set.named("underpaint_verbs", _VERB)
        self.control_sources |= self._set.named("underpaint_control_sources", _SOURCE)
        for _, (name, factory) in self._set.each("underpaint_register_hosts"):
            self.hosts.setdefault(name, factory)

    def infos(self) -> list[PluginInfo]:
        """Every plug-in by name, broken ones with their traceback."""
        return self._set.infos()

    def verbs_for(self, adapter: HostAdapter) -> list[Verb]:
        """The verbs that a host can carry out, in order of title."""
        return sorted((v for v in self.verbs.values() if _fits(v, adapter)), key=lambda verb: verb.title)

    def control_sources_for(self, adapter: HostAdapter) -> list[ControlSource]:
        """The control sources that a host has, in order of title."""
        found = (source for source in self.control_sources.values() if _fits(source, adapter))
        return sorted(found, key=lambda source: source.title)


def standard_verbs() -> list[Verb]:
    """The verbs that underpaint itself brings to every host, in order of title; looks for no plug-ins."""
    return sorted(standard.underpaint_verbs(), key=lambda verb: verb.title)


def load_extensions(environ: Mapping[str, str] | None = None) -> Extensions:
    """Loads every plug-in for hosts. Call it on the main thread; takes as long as their imports.

    Wheels and folders in `extensions` come last in `sys.path`, so that they hide nothing.
    UNDERPAINT_PLUGINS_BLOCK and UNDERPAINT_PLUGINS_ALLOW mean what they mean to the daemon.
    """
    environ = os.environ if environ is None else environ
    _look_into_extensions()
    alias.claim()
    return Extensions(
        allow=_names(environ.get("UNDERPAINT_PLUGINS_ALLOW", "")),
        block=_names(environ.get("UNDERPAINT_PLUGINS_BLOCK", "")),
    )


def values_for(verb: Verb, **given: float | str) -> dict[str, float | str]:
    """Values for `Verb.start`: what is given, defaults for the rest.

    Raises `InvalidRequest` whose violations name what is unknown, out of range or of the wrong kind.
    """
    values: dict[str, float | str] = dict.fromkeys(verb.texts, "")
    values |= {number.name: float(number.default) for number in verb.numbers}
    wrong = [
        Violation(name, f"is none of {', '.join(values) or 'its parameters'}")
        for name in given
        if name not in values
    ]
    for name in verb.texts:
        if not isinstance(given.get(name, ""), str):
            wrong.append(Violation(name, f"is a text, got {given[name]!r}"))
    for number in verb.numbers:
        value: Any = given.get(number.name, number.default)
        if not isinstance(value, (int, float)) or not number.minimum <= value <= number.maximum:
            text = f"must be {number.minimum:g} to {number.maximum:g}, got {value!r}"
            wrong.append(Violation(number.name, text))
    if wrong:
        details = "; ".join(f"{found.field} {found.description}" for found in wrong)
        raise InvalidRequest(f"{verb.title}: {details}.", violations=wrong)
    return {**values, **given}


def _look_into_extensions() -> None:
    folder = extensions_dir()
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    places = [str(one) for one in found if one.is_dir() or one.suffix in (".whl", ".zip")]
    sys.path += [place for place in places if place not in sys.path]
    importlib.invalidate_caches()  # or entry points of what was put there while the host runs stay unseen


def _fits(extension: _Needs, adapter: HostAdapter) -> bool:
    return extension.needs - {DOCUMENT} <= {capability.value for capability in adapter.capabilities}


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
