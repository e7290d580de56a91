"""plugins: what extends underpaint here, on both sides."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import Annotated

import typer

from underpaint.cli.connection import connect_or_start
from underpaint.cli.console import JsonOption, errors, print_json, print_table
from underpaint.hookspecs import loading
from underpaint.host.extensions import load_extensions
from underpaint.types import PluginInfo


def plugins(
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show the tracebacks of broken ones.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """List plug-ins: the daemon's, and those that extend hosts from this Python. Broken ones are marked.

    UNDERPAINT_PLUGINS_BLOCK and UNDERPAINT_PLUGINS_ALLOW hold names, with commas between, of plug-ins never
    to import, and of the only ones to import.
    """
    with connect_or_start() as client:
        found = [("daemon", info) for info in client.plugins()]
    # The table tells what is broken; without a handler the loader's log would go to the terminal too.
    logging.getLogger(loading.__name__).addHandler(logging.NullHandler())
    found += [("host", info) for info in load_extensions().infos()]
    if as_json:
        print_json([{"side": side, **asdict(info)} for side, info in found])
        return
    rows = [
        (info.name, side, _state(info), info.distribution, ", ".join(_short(hook) for hook in info.hooks))
        for side, info in found
    ]
    print_table(("plug-in", "side", "state", "from", "brings"), rows, empty="No plug-ins.")
    broken = [(side, info) for side, info in found if info.problem]
    for side, info in broken if verbose else ():
        errors.print(f"\n{info.name} ({side})", markup=False)
        errors.print(info.problem.rstrip(), markup=False)
    if broken and not verbose:
        errors.print(
            "'underpaint plugins -v' shows why. Repair, remove or block what is broken.", markup=False
        )


def _state(info: PluginInfo) -> str:
    if info.blocked:
        return "blocked"
    return "broken" if info.problem else "works"


def _short(hook: str) -> str:
    return hook.removeprefix("underpaint_").replace("_", " ")
