"""Where each host looks for plug-ins, on Linux, macOS and Windows. Nothing is written here.

The Linux places are tested in the real hosts; those of macOS and Windows follow the hosts' manuals and are
tested for their structure only.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

GIMP_VERSIONS = re.compile(r"3\.\d+")
BLENDER_OLDEST = (4, 2)


@dataclass(frozen=True, slots=True)
class Machine:
    """Whose folders: `system` is "linux", "darwin" or "win32"; the environment may move folders."""

    system: str
    home: Path
    environ: Mapping[str, str]

    @classmethod
    def this(cls, home: Path | None = None, environ: Mapping[str, str] | None = None) -> Machine:
        """This machine. With `home` and no `environ`, what moves this user's folders does not count."""
        found = dict(os.environ if environ is None else environ)
        if home is not None and environ is None:
            found = {name: value for name, value in found.items() if not _MOVES_FOLDERS.match(name)}
            found |= {"HOME": str(home), "USERPROFILE": str(home)}
        default = found.get("USERPROFILE" if sys.platform == "win32" else "HOME") or Path.home()
        return cls(sys.platform, home or Path(default), found)

    def folder(self, variable: str, *otherwise: str) -> Path:
        """A folder that an environment variable names, else one below the home."""
        value = self.environ.get(variable)
        return Path(value) if value else self.home.joinpath(*otherwise)

    @property
    def config(self) -> Path:
        """Where programs keep what their users set up."""
        if self.system == "darwin":
            return self.home / "Library/Application Support"
        if self.system == "win32":
            return self.folder("APPDATA", "AppData", "Roaming")
        return self.folder("XDG_CONFIG_HOME", ".config")

    @property
    def data(self) -> Path:
        """Where programs keep their users' files."""
        return self.folder("XDG_DATA_HOME", ".local", "share") if self.system == "linux" else self.config

    def program(self, *names: str) -> Path | None:
        """The first of these programs on the PATH, or where its installer puts it."""
        for name in names:
            if found := shutil.which(name, path=self.environ.get("PATH", "")):
                return Path(found)
        for pattern in _INSTALLED.get((self.system, names[0]), ()):
            root, _, rest = pattern.partition("|")
            for found_path in sorted(Path(root).glob(rest), reverse=True):
                return found_path
        return None


_MOVES_FOLDERS = re.compile(r"XDG_|APPDATA$|LOCALAPPDATA$|GIMP3_DIRECTORY$|BLENDER_USER_|UNDERPAINT_.*_DIR$")
_INSTALLED = {
    ("darwin", "krita"): ("/Applications|krita.app/Contents/MacOS/krita",),
    ("darwin", "gimp"): ("/Applications|GIMP.app/Contents/MacOS/gimp",),
    ("darwin", "blender"): ("/Applications|Blender.app/Contents/MacOS/Blender",),
    ("win32", "krita"): (r"C:\Program Files|Krita*\bin\krita.exe",),
    ("win32", "gimp"): (r"C:\Program Files|GIMP 3*\bin\gimp-3*.exe",),
    ("win32", "blender"): (r"C:\Program Files\Blender Foundation|Blender*\blender.exe",),
}
_FLATPAKS = {"krita": "org.kde.krita", "gimp": "org.gimp.GIMP", "blender": "org.blender.Blender"}


@dataclass(frozen=True, slots=True)
class Place:
    """One folder in which a host looks for plug-ins."""

    folder: Path
    package: str
    """The plug-in's own Python package, as a path in `folder`."""
    version: tuple[int, ...] = ()
    """The host's version, for hosts that keep one folder a version."""

    @property
    def build_file(self) -> Path:
        """The file that says which build is installed."""
        return self.folder / self.package / "_vendor" / "build.json"


def krita_place(machine: Machine) -> Place:
    """Krita's folder for Python plug-ins."""
    return Place(machine.data / "krita" / "pykrita", "underpaint_krita")


def kritarc(machine: Machine) -> Path:
    """Krita's settings."""
    if machine.system == "darwin":
        return machine.home / "Library/Preferences/kritarc"
    if machine.system == "win32":
        return machine.folder("LOCALAPPDATA", "AppData", "Local") / "kritarc"
    return machine.config / "kritarc"


def gimp_places(machine: Machine) -> list[Place]:
    """The plug-in folder of every GIMP 3 that was opened once, newest first; 3.0's if there is none."""
    package = "underpaint-gimp/underpaint_gimp"
    if machine.environ.get("GIMP3_DIRECTORY"):
        return [Place(Path(machine.environ["GIMP3_DIRECTORY"]) / "plug-ins", package)]
    profiles = machine.config / "GIMP"
    versions = _versions(profiles, GIMP_VERSIONS) or [(3, 0)]
    return [Place(profiles / _dotted(version) / "plug-ins", package, version) for version in versions]


def blender_places(machine: Machine, version: tuple[int, ...] = ()) -> list[Place]:
    """The extensions of every Blender from 4.2 on that was opened once, and of `version`; newest first."""
    resources = machine.environ.get("BLENDER_USER_RESOURCES")
    moved = machine.environ.get("BLENDER_USER_EXTENSIONS") or (resources and f"{resources}/extensions")
    if moved:
        return [Place(Path(moved) / "user_default", "underpaint", version)]
    root = {
        "darwin": machine.config / "Blender",
        "win32": machine.config / "Blender Foundation" / "Blender",
    }.get(machine.system, machine.config / "blender")
    versions = {found for found in _versions(root, re.compile(r"\d+\.\d+")) if found >= BLENDER_OLDEST}
    versions |= {version} if version else set()
    return [
        Place(root / _dotted(found) / "extensions" / "user_default", "underpaint", found)
        for found in sorted(versions, reverse=True)
    ]


def flatpak(host: str, machine: Machine) -> bool:
    """Whether the host has run as a Flatpak, whose folders are others and whose children are confined."""
    return machine.system == "linux" and (machine.home / ".var/app" / _FLATPAKS[host]).is_dir()


def _versions(root: Path, pattern: re.Pattern[str]) -> list[tuple[int, ...]]:
    names = [path.name for path in root.iterdir() if path.is_dir()] if root.is_dir() else []
    numbers = [tuple(int(part) for part in name.split(".")) for name in names if pattern.fullmatch(name)]
    return sorted(numbers, reverse=True)


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(str(number) for number in version)
