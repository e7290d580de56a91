"""The Python reference: which modules are public, and a page for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Final

import griffe

import underpaint

SDK: Final = Path(underpaint.__file__).resolve().parents[1]

MODULES: Final = {
    "underpaint": "The names that most programs need.",
    "underpaint.client": "Connections and jobs. `connect` finds the daemon, or starts it.",
    "underpaint.types": "Values that travel: pixels, requests, jobs, models.",
    "underpaint.errors": "Everything that is raised on purpose.",
    "underpaint.host": "What an adapter implements, and the verbs over it.",
    "underpaint.hookspecs": "Hooks for plug-ins.",
    "underpaint.weights": "What a weight file is, for families that run single files.",
    "underpaint.testing": "A daemon without a model, a host without a window, and the conformance suite.",
}
"""Public modules; everything else may change without notice."""

ELSEWHERE: Final = {
    "underpaint.errors": "../errors.md",
    "underpaint.hookspecs": "../hooks.md",
}
"""Modules whose names have a page of their own kind."""

RULES: Final = "../../../decisions/0008-when-the-public-names-may-change.md"


@cache
def package() -> griffe.Module:
    """The package as griffe reads it, without running it."""
    found = griffe.load(
        "underpaint",
        search_paths=[SDK],
        docstring_parser="google",
        resolve_aliases=True,
        force_inspection=False,
    )
    assert isinstance(found, griffe.Module)
    return found


def public_names(module: str) -> Iterator[tuple[str, griffe.Object]]:
    """What a module offers, by name, resolved to where it is written: its `__all__`, else what it defines."""
    place = package()[module.partition(".")[2]] if "." in module else package()
    names = place.exports or [
        name for name, member in place.members.items() if not name.startswith("_") and not member.is_alias
    ]
    for name in names:
        member = place.members[str(name)]
        if isinstance(member, griffe.Module):
            continue
        yield str(name), member.final_target if isinstance(member, griffe.Alias) else member


def public_modules() -> Iterator[str]:
    """The public modules. Inside `underpaint.testing` those count that say what they offer in `__all__`."""
    yield from MODULES
    for _, member in sorted(package()["testing"].members.items()):
        if isinstance(member, griffe.Module) and member.exports:
            yield member.path


def pages() -> Mapping[str, Callable[[], str]]:
    """A page a module, by name; `index` says what is where."""
    found: dict[str, Callable[[], str]] = {"index": _index}
    for module in public_modules():
        if module not in ELSEWHERE and module != "underpaint" and any(public_names(module)):
            found[module] = partial(_page, module)
    return found


def _index() -> str:
    rows = [
        f"| [`{module}`]({ELSEWHERE.get(module, f'{module}.md')}) | {what} |"
        for module, what in MODULES.items()
        if module != "underpaint" and (module in ELSEWHERE or any(public_names(module)))
    ]
    names = [
        f"| [`underpaint.{name}`][{home}.{name}] | {_summary(found)} |"
        for name, found in public_names("underpaint")
        for home in MODULES
        if home != "underpaint" and name in dict(public_names(home))
    ]
    return "\n".join(
        [
            "# Python",
            "",
            f"These modules are public; [the rules]({RULES}) say how they may change. Anything else may "
            "change without notice.",
            "",
            "| module | what |",
            "| --- | --- |",
            *rows,
            "",
            "## The names in `underpaint`",
            "",
            "They are loaded at first use: `import underpaint` is cheap. `underpaint.__version__` is the "
            "version.",
            "",
            "| name | what |",
            "| --- | --- |",
            *names,
            "",
        ]
    )


def _page(module: str) -> str:
    doc = package()[module.partition(".")[2]].docstring
    parts = [f"# {module}\n", (doc.value if doc else "") + "\n"]
    parts += [f"::: {module}.{name}\n" for name, _ in public_names(module)]
    return "\n".join(parts)


def _summary(found: griffe.Object) -> str:
    return (found.docstring.value if found.docstring else "").partition("\n")[0]
