"""hosts list, build, install."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

from underpaint.cli import packaging
from underpaint.cli.connection import remember_launcher
from underpaint.cli.console import JsonOption, guarded, print_json, print_table

app = typer.Typer(help="Plug-ins for Krita, GIMP and Blender.", no_args_is_help=True)


class Host(str, enum.Enum):
    """Hosts that underpaint has a plug-in for."""

    KRITA = "krita"
    GIMP = "gimp"
    BLENDER = "blender"


HostArgument = Annotated[Host, typer.Argument(help="krita, gimp or blender.")]


@app.command("list")
@guarded
def list_hosts(as_json: JsonOption = False) -> None:
    """Which hosts are on this machine, and which plug-in version is installed in each."""
    found = packaging.status()
    if as_json:
        print_json([state.as_json() for state in found])
        return
    rows = [(state.host, state.found, state.installed or "-", state.advice) for state in found]
    print_table(("host", "found", "plug-in", "next"), rows, empty="No hosts.")


@app.command()
@guarded
def build(
    host: HostArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder for the zip.")] = Path("dist"),
    conformance: Annotated[
        bool, typer.Option("--with-conformance", help="Carry the conformance suite, to run it in the host.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write the installable plug-in zip, with the client inside.

    One zip serves every operating system and every Python from 3.10 on. Krita's and Blender's own
    importers take it as it is; for GIMP use 'underpaint hosts install gimp'. With --with-conformance
    the zip is for testing the plug-in in its host, and has another name.
    """
    written = packaging.build(host.value, output, conformance=conformance)
    if as_json:
        print_json({"host": host.value, "path": str(written), "size_bytes": written.stat().st_size})
    else:
        print(f"{written} ({written.stat().st_size / 1e6:.1f} MB)")


@app.command()
@guarded
def install(
    host: HostArgument,
    plugin: Annotated[
        Path | None, typer.Option("--zip", help="A zip from 'hosts build'. [default: built now]")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Put the plug-in where the host looks for it, and tell it how to start the daemon."""
    remember_launcher()
    place = packaging.install(host.value, plugin)
    if as_json:
        print_json({"host": host.value, "path": str(place)})
    else:
        print(f"Installed in {place}. Start {host.value.title()} again to see it.")
