"""serve, stop."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

import underpaint
from underpaint.cli.connection import launch_command
from underpaint.cli.console import JsonOption, print_json
from underpaint.errors import DaemonUnreachable, EngineMissing
from underpaint.wire.discovery import write_launcher


def serve(
    models: Annotated[
        list[Path] | None,
        typer.Option("--models", help="A folder with models, of any known layout. May be repeated."),
    ] = None,
    device: Annotated[
        list[str] | None, typer.Option(help="cpu, cuda:0 …, one worker each. [default: the best there is]")
    ] = None,
    idle_timeout: Annotated[
        float | None, typer.Option(help="End after so many idle seconds. [default: never]", min=0)
    ] = None,
    tcp: Annotated[
        bool, typer.Option("--tcp", help="Listen on loopback TCP instead of a private Unix socket.")
    ] = False,
) -> None:
    """Run the daemon in this terminal.

    Hosts and the command line start one by themselves when they need it; run it yourself to choose its
    options or to see its log. Ctrl-C lets running jobs finish first; queued ones wait for the next start.

    Every other setting is an environment variable, UNDERPAINT_ before its name: see
    'python -m underpaint.daemon --help'.
    """
    for library in ("grpc", "structlog"):
        if find_spec(library) is None:
            raise EngineMissing(f"{library} is not installed. Run: pip install 'underpaint[engine]'")
    from underpaint.daemon import Settings, run
    from underpaint.daemon.settings import from_environment

    chosen: dict[str, Any] = from_environment(os.environ)
    if models:
        chosen["model_roots"] = tuple(folder.resolve() for folder in models)
    if device:
        chosen["devices"] = tuple(device)
    if idle_timeout is not None:
        chosen["idle_timeout_s"] = idle_timeout
    if tcp:
        chosen["transport"] = "tcp"
    settings = Settings(**chosen)
    write_launcher(launch_command())
    raise typer.Exit(run(settings))


def stop(
    drain: Annotated[int, typer.Option(help="Wait for running jobs at most so many seconds.", min=0)] = 30,
    as_json: JsonOption = False,
) -> None:
    """End the daemon. Queued jobs stay in its journal and go on at the next start."""
    try:
        client = underpaint.connect(start=False)
    except DaemonUnreachable:
        if as_json:
            print_json({"stopped": False})
        else:
            print("No daemon is running.")
        return
    with client:
        try:
            queued = client.shutdown(drain)
        except DaemonUnreachable:
            queued = 0  # It ended so quickly that its answer was lost.
    if as_json:
        print_json({"stopped": True, "queued_jobs": queued})
    else:
        print(f"The daemon is ending; {queued} queued jobs wait for its next start.")
