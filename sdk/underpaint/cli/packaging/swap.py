"""Puts a plug-in's folders in place of older ones, in one step each."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from underpaint.cli.packaging.archive import Files
from underpaint.errors import HostError


def put(files: Files, folder: Path) -> None:
    """Writes `files` below `folder`; what they name at the first level replaces what was there.

    Everything is written beside `folder` first, where no host looks, and then renamed into it: whoever looks
    meanwhile sees the old version or the new one. When a rename fails, the old version is put back. Raises
    `HostError` with the system's words.
    """
    _check(files)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # The same file system as the folder, so that renames are possible.
        staging = Path(tempfile.mkdtemp(prefix=".underpaint-", dir=folder.parent))
    except OSError as error:
        raise HostError(f"Nothing was installed: {error}. Check who may write to {folder}.") from error
    try:
        _write(files, staging / "new")
        _exchange(staging, folder)
    except OSError as error:
        raise HostError(
            f"Nothing was installed in {folder}: {error}. End the host, if it runs, and try again."
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _check(files: Files) -> None:
    for path in files:
        parts = path.split("/")
        if "" in parts or ".." in parts or "\\" in path or ":" in path:
            raise HostError(f"The zip names a file that would lie elsewhere: {path!r}. It is not a plug-in.")


def _write(files: Files, root: Path) -> None:
    for path, file in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.content)
        target.chmod(0o755 if file.executable else 0o644)


def _exchange(staging: Path, folder: Path) -> None:
    old = staging / "old"
    old.mkdir()
    moved: list[str] = []
    # Folders before files: Krita reads NAME.desktop and then looks for the folder NAME.
    names = sorted((staging / "new").iterdir(), key=lambda path: (path.is_file(), path.name))
    try:
        for new in names:
            place = folder / new.name
            if place.exists() or place.is_symlink():
                place.rename(old / new.name)
            moved.append(new.name)
            new.rename(place)
    except OSError:
        for name in reversed(moved):
            place = folder / name
            if place.exists():
                place.rename(staging / f"failed-{name}")
            if (old / name).exists():
                (old / name).rename(place)
        raise
