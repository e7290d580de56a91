"""Which hosts are here, and which build of the plug-in each of them has."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import underpaint
from underpaint.cli.packaging.build import BUILD_FILE, files_of
from underpaint.cli.packaging.kritarc import is_enabled
from underpaint.cli.packaging.layouts import HOSTS, LAYOUTS, plugins_folder
from underpaint.cli.packaging.places import (
    Machine,
    Place,
    blender_places,
    flatpak,
    gimp_places,
    krita_place,
    kritarc,
)

_PROGRAMS = {"krita": ("krita",), "gimp": ("gimp-3.2", "gimp-3.0", "gimp-3", "gimp"), "blender": ("blender",)}


@dataclass(frozen=True, slots=True)
class HostStatus:
    """One host on this machine."""

    host: str
    found: bool
    """The program is here, or has been: it left its folder."""
    program: str
    """The program's path; "" when only its folder was found."""
    installed: str
    """The version of the installed plug-in; "" for none. The oldest one when the host has several folders."""
    up_to_date: bool
    """The installed plug-in is, byte for byte, what `build` makes now."""
    folders: tuple[str, ...]
    """Where the plug-in is installed."""
    advice: str
    """What to do next; "" when all is well."""

    def as_json(self) -> dict[str, Any]:
        """Everything, for `--json`."""
        return asdict(self)


def status(*, home: Path | None = None, environ: Mapping[str, str] | None = None) -> list[HostStatus]:
    """The state of every host, in a fixed order. Nothing is started and nothing is written."""
    machine = Machine.this(home, environ)
    return [_status(host, machine) for host in HOSTS]


def _status(host: str, machine: Machine) -> HostStatus:
    program = machine.program(*_PROGRAMS[host])
    places = _places(host, machine)
    builds = {place: about for place in places if (about := _read(place.build_file))}
    found = program is not None or any(_was_here(host, place) for place in places)
    current = bool(builds) and len(builds) == len(places) and _are_current(host, list(builds.values()))
    return HostStatus(
        host=host,
        found=found,
        program=str(program or ""),
        installed=min((str(about.get("version", "?")) for about in builds.values()), default=""),
        up_to_date=current,
        folders=tuple(str(place.folder / place.package) for place in builds),
        advice=_advice(host, machine, found=found, installed=bool(builds), current=current),
    )


def _places(host: str, machine: Machine) -> list[Place]:
    if host == "krita":
        return [krita_place(machine)]
    return gimp_places(machine) if host == "gimp" else blender_places(machine)


def _was_here(host: str, place: Place) -> bool:
    """Hosts make their folder at their first start; what we install does not count as its trace."""
    if host == "blender":
        return bool(place.version)  # only folders that exist are listed
    return any(path.name not in {"pykrita", "plug-ins", "actions"} for path in _entries(place.folder.parent))


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _read(build_file: Path) -> dict[str, Any]:
    try:
        found = json.loads(build_file.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _are_current(host: str, builds: list[dict[str, Any]]) -> bool:
    # Reading the version is quick, building is not: only equal versions are looked at closely.
    if any(about.get("version") != underpaint.__version__ for about in builds):
        return False
    layout = LAYOUTS[host]
    fresh = json.loads(files_of(layout, plugins_folder())[layout.inside(BUILD_FILE)].content)
    return all(about.get("digest") == fresh["digest"] for about in builds)


def _advice(host: str, machine: Machine, *, found: bool, installed: bool, current: bool) -> str:
    command = f"underpaint hosts install {host}"
    if installed and not current:
        return f"{command} (another build is installed)"
    if not found:
        if flatpak(host, machine):
            return "only a Flatpak was found, which cannot start our daemon: install the host from a package"
        return f"install {LAYOUTS[host].title} first"
    if not installed:
        return command
    if host == "krita" and not is_enabled(kritarc(machine), "underpaint_krita"):
        return "tick underpaint in Krita's settings, Python Plugin Manager"
    return ""
