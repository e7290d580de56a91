"""Hooks, from their specifications."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from underpaint import hookspecs

GROUPS = {
    hookspecs.EngineSpecs: hookspecs.ENGINE_GROUP,
    hookspecs.HostSpecs: hookspecs.HOSTS_GROUP,
}


def hooks(specs: type) -> Iterator[str]:
    """Names of the hooks of one side, in the order in which they are written down."""
    yield from (name for name in vars(specs) if name.startswith("underpaint_"))


def page() -> str:
    """The page."""
    parts = [
        "# Hooks\n",
        "A plug-in is a Python module with functions that carry `underpaint.hookspecs.hookimpl` and a hook's "
        "name. It names itself in an entry point; the group decides which side loads it. [Write an engine "
        "plug-in](../../how-to/engine-plugins.md) goes through one from start to end. Plug-ins run with the "
        "user's rights.\n",
    ]
    for specs, group in GROUPS.items():
        first = (inspect.getdoc(specs) or "").partition("\n")[0]
        parts.append(f"## {first.rstrip('.')}, `{group}` {{ #{specs.__name__} }}\n")
        # The class itself, so that its name has an entry; its hooks follow below it.
        parts.append(
            f"::: underpaint.hookspecs.{specs.__name__}\n    options:\n      heading_level: 3\n"
            "      members_order: source\n"
        )
    parts.append("## What hooks hand over\n")
    for name in hookspecs.__all__:
        if name not in {specs.__name__ for specs in GROUPS}:
            parts.append(f"::: underpaint.hookspecs.{name}\n    options:\n      heading_level: 3\n")
    return "\n".join(parts)
