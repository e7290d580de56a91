"""The pixel folder on disk: names, free space, orphans. Blocking calls; the store runs them in threads."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
from collections.abc import Container
from pathlib import Path

from underpaint.errors import BlobNotFound, InternalError, StorageFull
from underpaint.pixels import files

PREFIX = "blobs/"
# What we made ourselves, and nothing else, is ever swept: the folder may hold a user's files too.
_OURS = re.compile(r"[0-9a-f]{32}\.px|[0-9a-f]{32}\.probe-(challenge|answer)")
_OUTPUT = re.compile(r"output-[0-9a-f]+")


class PixelFolder:
    """Files of blobs below one private folder."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    @staticmethod
    def new_name() -> str:
        """A handle of 128 random bits."""
        return PREFIX + secrets.token_hex(16)

    def path(self, name: str) -> Path:
        """Where a blob's file lies; `name` is one that `new_name` made."""
        return self.root / f"{name.removeprefix(PREFIX)}.px"

    def allocate(self, name: str, size: int) -> Path:
        """Makes the file with all its disk blocks; raises StorageFull and leaves nothing behind."""
        free = shutil.disk_usage(self.root).free
        if size > free:
            # Asked first: a file system without fallocate would be filled to the brim by the attempt.
            raise StorageFull(
                f"The disk of the pixel folder {self.root} has {free} bytes free, this image needs {size}: "
                "free some space, or point UNDERPAINT_PIXEL_DIR to a larger disk and restart the daemon.",
                metadata={"needed_bytes": str(size), "available_bytes": str(free)},
            )
        path = self.path(name)
        files.allocate(path, size)
        return path

    def seal(self, name: str, size: int) -> bool:
        """Makes the file read-only; False if it does not have `size` bytes."""
        path = self.path(name)
        try:
            right = path.stat().st_size == size
        except FileNotFoundError as error:
            raise BlobNotFound(f"{name}: its file is gone; upload again", metadata={"blob": name}) from error
        if right and os.name == "posix":
            path.chmod(0o400)
        return right

    def remove(self, name: str) -> None:
        """Unlinks the file; whoever still maps it keeps its pages."""
        self.path(name).unlink(missing_ok=True)

    def output_folder(self, job: str) -> Path:
        """An empty folder for what a worker writes for a job, on the same file system as the blobs."""
        folder = self.root / f"output-{job.rpartition('/')[2]}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        return folder

    def remove_output_folder(self, job: str) -> None:
        """Removes a job's output folder with what is left in it."""
        shutil.rmtree(self.root / f"output-{job.rpartition('/')[2]}", ignore_errors=True)

    def adopt(self, folder: Path, file: str, name: str, size: int) -> None:
        """Makes a worker's output file the blob's file: flushed to disk, renamed, read-only.

        Raises InternalError for anything but a regular file of `size` bytes inside `folder`.
        """
        if file in ("", ".", "..") or Path(file).name != file:
            raise InternalError(f"the worker named {file!r} as its output; it must be a plain file name")
        source = folder / file
        try:
            handle = os.open(source, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
        except OSError as error:
            raise InternalError(f"the worker's output {file!r} cannot be opened: {error.strerror}") from error
        try:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode) or found.st_size != size:
                raise InternalError(f"the worker's output {file!r} has {found.st_size} bytes, not {size}")
            if os.name == "posix":
                os.fchmod(handle, 0o400)
                # Renamed first: then one commit of the file system's journal covers content and name.
                source.rename(self.path(name))
            os.fsync(handle)
        except OSError:
            self.remove(name)
            raise
        finally:
            os.close(handle)
        if os.name == "posix":
            self._sync()
        else:
            source.rename(self.path(name))

    def sweep(self, known: Container[str]) -> list[str]:
        """Removes files of ours that no blob in `known` owns; returns their names."""
        removed: list[str] = []
        for path in self.root.iterdir():
            if _OUTPUT.fullmatch(path.name) and path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif _OURS.fullmatch(path.name) and PREFIX + path.stem not in known:
                path.unlink(missing_ok=True)
            else:
                continue
            removed.append(path.name)
        return removed

    def _sync(self) -> None:
        handle = os.open(self.root, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
