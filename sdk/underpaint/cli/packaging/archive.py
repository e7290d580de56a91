"""A plug-in as files in memory, and its zip: the same files always give the same bytes."""

from __future__ import annotations

import hashlib
import secrets
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path, PurePosixPath

# From the earliest time that a zip can hold on: builds leave no trace of when they ran.
_EPOCH = datetime(1980, 1, 1)
_SPAN_S = 20 * 365 * 86_400
_GRAIN_S = 2
"""A zip counts in steps of two seconds."""
_UNIX = 3


@dataclass(frozen=True, slots=True)
class File:
    """One file of a plug-in."""

    content: bytes
    executable: bool = False


Files = Mapping[str, File]
"""Files by their path in the zip, "/" between folders."""


def digest(files: Files) -> str:
    """A SHA-256 over names, modes and contents."""
    found = hashlib.sha256()
    for path in sorted(files):
        file = files[path]
        found.update(f"{path}\0{int(file.executable)}\0{len(file.content)}\0".encode())
        found.update(file.content)
    return found.hexdigest()


def folders(files: Files) -> list[str]:
    """Every folder above a file, with a slash at its end, parents first."""
    return sorted({f"{parent}/" for path in files for parent in PurePosixPath(path).parents if parent.name})


def time_of(files: Files) -> tuple[int, int, int, int, int, int]:
    """A time that says nothing but which bytes these are, the same for the same files.

    Whoever unpacks a newer zip over an older one has files of another time: GIMP then asks the plug-in for
    its procedures again, and Python does not take its compiled files of before.
    """
    since = int(digest(files), 16) % (_SPAN_S // _GRAIN_S) * _GRAIN_S
    at = _EPOCH + timedelta(seconds=since)
    return (at.year, at.month, at.day, at.hour, at.minute, at.second)


def write_zip(files: Files, path: Path) -> None:
    """Writes the zip in one step: `path` is the old file or the whole new one.

    Folders have entries of their own: Krita's importer looks for them.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    when = time_of(files)
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with zipfile.ZipFile(scratch, "x", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for name in sorted([*files, *folders(files)]):
                _add(archive, name, files.get(name), when)
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def read_zip(path: Path) -> dict[str, File]:
    """The files of a zip that `write_zip` wrote. Raises zipfile.BadZipFile, OSError."""
    with zipfile.ZipFile(path) as archive:
        return {
            entry.filename: File(archive.read(entry), bool((entry.external_attr >> 16) & 0o100))
            for entry in archive.infolist()
            if not entry.is_dir()
        }


def _add(
    archive: zipfile.ZipFile, name: str, file: File | None, when: tuple[int, int, int, int, int, int]
) -> None:
    entry = zipfile.ZipInfo(name, when)
    entry.create_system = _UNIX
    if file is None:
        entry.external_attr = 0o40755 << 16 | 0x10
        archive.writestr(entry, b"", zipfile.ZIP_STORED)
        return
    entry.external_attr = (0o100755 if file.executable else 0o100644) << 16
    archive.writestr(entry, file.content, zipfile.ZIP_DEFLATED, 9)
