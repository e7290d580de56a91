"""Puts a built plug-in where its host looks, and tells hosts how to start the daemon."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from underpaint.cli.connection import remember_launcher
from underpaint.cli.packaging.archive import Files, read_zip, write_zip
from underpaint.cli.packaging.build import BUILD_FILE, files_of
from underpaint.cli.packaging.kritarc import enable_plugin
from underpaint.cli.packaging.layouts import Layout, layout_of, plugins_folder
from underpaint.cli.packaging.places import (
    BLENDER_OLDEST,
    Machine,
    blender_places,
    gimp_places,
    krita_place,
    kritarc,
)
from underpaint.cli.packaging.swap import put
from underpaint.errors import HostError, NotFound, Unusable

_BLENDER_TIMEOUT_S = 180


def install(
    host: str,
    archive: Path | None = None,
    *,
    home: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Path:
    """Installs a plug-in for this user (or for whoever has that `home`) and returns its folder.

    An older version is replaced in one step. With `archive` that zip is installed, else one built now. End
    the host before, start it after. Krita's plug-in is ticked in its settings. GIMP's and Blender's go to
    every version that was opened once, and the newest one's folder is returned; where a `blender` is on the
    PATH it installs the extension itself and ticks it. Writes the launcher, by which hosts start the daemon.

    Raises `NotFound` when there is no such host, `Unusable` for a zip of another kind, `HostError` when the
    system or the host refuses.
    """
    layout = layout_of(host)
    machine = Machine.this(home, environ)
    files = files_of(layout, plugins_folder()) if archive is None else _from_archive(layout, archive)
    folder = _INSTALLERS[host](files, machine)
    with _as_user(machine):
        remember_launcher()
    return folder


def blender_version(program: Path, environ: Mapping[str, str]) -> tuple[int, ...]:
    """(4, 3) for a Blender 4.3.2. Raises `HostError` when the program does not say."""
    said = _run([str(program), "--version"], environ)
    found = re.search(r"Blender (\d+)\.(\d+)", said)
    if found is None:
        raise HostError(f"{program} does not tell its version: {said.strip()[:200]}")
    return int(found[1]), int(found[2])


def _install_krita(files: Files, machine: Machine) -> Path:
    place = krita_place(machine)
    # Shortcuts go where Krita's importer puts them, and nowhere else: Krita warns of what it finds twice.
    actions = {path.rpartition("/")[2]: file for path, file in files.items() if path.endswith(".action")}
    put({path: file for path, file in files.items() if not path.endswith(".action")}, place.folder)
    if actions:
        put(actions, place.folder.parent / "actions")
    enable_plugin(kritarc(machine), "underpaint_krita")
    return place.folder / place.package


def _install_gimp(files: Files, machine: Machine) -> Path:
    places = gimp_places(machine)
    for place in places:
        put(files, place.folder)
    return (places[0].folder / places[0].package).parent


def _install_blender(files: Files, machine: Machine) -> Path:
    program = machine.program("blender")
    version = blender_version(program, machine.environ) if program else ()
    if version and version < BLENDER_OLDEST:
        program, version = None, ()
    places = blender_places(machine, version)
    if not places:
        raise NotFound(
            "No Blender 4.2 or later was found, neither on the PATH nor by its settings. Open Blender once "
            "and try again, or run `underpaint hosts build blender` and install that zip in its preferences."
        )
    inside = {f"underpaint/{path}": file for path, file in files.items()}
    for place in places:
        if program and place.version == version:
            _install_with_blender(program, files, machine)
        else:
            put(inside, place.folder)
    newest = places[0]
    return newest.folder / newest.package


def _install_with_blender(program: Path, files: Files, machine: Machine) -> None:
    with tempfile.TemporaryDirectory(prefix="underpaint-") as folder:
        archive = Path(folder) / "underpaint.zip"
        write_zip(files, archive)
        command = [str(program), "--command", "extension", "install-file", "-r", "user_default", "-e"]
        _run([*command, str(archive)], machine.environ)


def _run(command: list[str], environ: Mapping[str, str]) -> str:
    try:
        done = subprocess.run(
            command,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_BLENDER_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HostError(f"{command[0]} did not answer: {error}.") from error
    if done.returncode:
        raise HostError(f"`{' '.join(command)}` ended with status {done.returncode}:\n{done.stdout[-2000:]}")
    return done.stdout


def _from_archive(layout: Layout, archive: Path) -> Files:
    hint = f"Make one with `underpaint hosts build {layout.host}`."
    try:
        files = read_zip(archive)
        about = json.loads(files[layout.inside(BUILD_FILE)].content)
        host = about["host"]
    except OSError as error:
        raise NotFound(f"{archive} cannot be read: {error}. {hint}") from error
    except (zipfile.BadZipFile, KeyError, TypeError, ValueError) as error:
        raise Unusable(f"{archive} is not a plug-in of underpaint for {layout.title}. {hint}") from error
    if host != layout.host:
        raise Unusable(f"{archive} is the plug-in for {host}, not for {layout.title}. {hint}")
    return files


@contextlib.contextmanager
def _as_user(machine: Machine) -> Iterator[None]:
    """Within it, this process' environment is the machine's. The command line runs one thread."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(machine.environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


_INSTALLERS = {"krita": _install_krita, "gimp": _install_gimp, "blender": _install_blender}
