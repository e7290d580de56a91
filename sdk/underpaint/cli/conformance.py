"""conformance: is a host adapter right?"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Final

import typer

from underpaint.cli.console import FAILED, JsonOption, print_json, print_table
from underpaint.errors import InvalidRequest, Violation
from underpaint.testing.conformance import CHECKS, Outcome, Rig, Suite

GROUP: Final = "underpaint.conformance"
"""Entry points that name a rig: `my-host = "my_package.rig:MyRig"`."""


def conformance(
    target: Annotated[
        str,
        typer.Argument(
            help="The rig: module:Class, module, file.py, file.py:Class, or an entry point's name.",
            show_default=False,
        ),
    ] = "",
    only: Annotated[
        list[str] | None, typer.Option("--only", help="A check by name; may be given again.")
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="List the checks and end.")] = False,
    folder: Annotated[
        Path | None,
        typer.Option(help="The folder of a fake daemon that runs already. [default: one is started]"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check a host adapter against the contract, and say what to do where it fails.

    Ends with 0 if every check that the adapter's capabilities ask for passed, with 1 if one failed.
    """
    names = _known(only or [])
    if listed:
        _list(names, as_json=as_json)
        return
    if not target:
        raise _wrong("target", "name the rig, for example my_package.rig:MyRig")
    rig = load_rig(target)
    with Suite(rig, folder) as suite:
        report = suite.run_all(names, _silent if as_json else _say)
    if as_json:
        print_json(report.as_json())
    else:
        print(f"\n{report.badge}")
    if not report.passed:
        raise typer.Exit(FAILED)


def load_rig(target: str) -> type[Rig]:
    """The rig that a target names. Raises `InvalidRequest` with what would help."""
    found = [entry for entry in entry_points(group=GROUP) if entry.name == target]
    if found:
        return _rig(_guarded(target, lambda: found[0].load()), target)
    place, _, name = target.partition(":")
    module = _guarded(target, lambda: _module(place))
    if not name:
        return _only_rig(module, target)
    if not hasattr(module, name):
        raise _wrong("target", f"{place} has no {name}")
    return _rig(getattr(module, name), target)


def _module(place: str) -> ModuleType:
    path = Path(place)
    if path.suffix != ".py":
        # As `python -m` does: an author's rig lies in the folder that he stands in.
        _import_from(Path.cwd())
        return importlib.import_module(place)
    # As `python FILE` does: a rig imports its neighbours.
    _import_from(path.absolute().parent)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ModuleNotFoundError(f"there is no file {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def _import_from(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _guarded(target: str, load: Any) -> Any:
    try:
        return load()
    except (ImportError, AttributeError, ValueError) as problem:
        known = ", ".join(sorted({entry.name for entry in entry_points(group=GROUP)})) or "none"
        raise _wrong(
            "target", f"{target} cannot be loaded: {problem} (entry points in {GROUP}: {known})"
        ) from problem


def _only_rig(module: ModuleType, target: str) -> type[Rig]:
    rigs = [
        value
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, Rig) and not inspect.isabstract(value)
        if value.__module__ == module.__name__
    ]
    if len(rigs) != 1:
        names = ", ".join(rig.__name__ for rig in rigs) or "none"
        raise _wrong("target", f"{target} has {len(rigs)} rigs ({names}): name one, {target}:MyRig")
    return rigs[0]


def _rig(value: Any, target: str) -> type[Rig]:
    if not (inspect.isclass(value) and issubclass(value, Rig)):
        raise _wrong("target", f"{target} is no subclass of underpaint.testing.conformance.Rig")
    return value


def _known(names: list[str]) -> list[str]:
    if unknown := [name for name in names if name not in CHECKS]:
        raise _wrong("only", f"there is no check {', '.join(unknown)}: see underpaint conformance --list")
    return names


def _list(names: list[str], *, as_json: bool) -> None:
    checks = [check for name, check in CHECKS.items() if not names or name in names]
    if as_json:
        print_json(
            [
                {
                    "name": check.name,
                    "meaning": check.meaning,
                    "advice": check.advice,
                    "needs": [need.value for need in check.needs],
                    "rests_on": list(check.rests_on),
                }
                for check in checks
            ]
        )
        return
    rows = [(check.name, ", ".join(need.value for need in check.needs), check.meaning) for check in checks]
    print_table(("check", "needs", "promise"), rows, empty="No checks.")


def _say(outcome: Outcome) -> None:
    print(outcome.text, flush=True)


def _silent(outcome: Outcome) -> None:
    """A program reads the report at the end."""


def _wrong(field: str, description: str) -> InvalidRequest:
    return InvalidRequest("The suite cannot run.", violations=[Violation(field, description)])
