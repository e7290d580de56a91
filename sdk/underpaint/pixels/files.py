"""Files that several processes map.

A mapped file can kill the process that maps it: touching a page that the file system cannot provide is
SIGBUS. So a file gets all its blocks before anybody maps it, is never made shorter, and is unlinked, never
truncated, when it goes: whoever still maps it keeps its pages.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from underpaint.errors import BlobNotFound, BlobStateError, StorageFull
from underpaint.types import Buffer

_FULL: Final = frozenset(
    code for code in (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", None)) if code is not None
)
_UNSUPPORTED: Final = frozenset({errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL})
_ZEROS: Final = 1 << 20
_POPULATE: Final[int] = getattr(mmap, "MAP_POPULATE", 0)


def allocate(path: Path, size: int) -> None:
    """Makes a file of `size` bytes with all its disk blocks, readable and writable by this user only.

    Raises `StorageFull` and leaves nothing behind if the file system or a quota has no room for it;
    `FileExistsError` if the file is there.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    handle = os.open(path, flags, 0o600)
    try:
        _reserve(handle, size)
    except OSError as error:
        os.close(handle)
        path.unlink(missing_ok=True)
        if error.errno in _FULL:
            raise storage_full(path.parent, size) from error
        raise
    os.close(handle)


def storage_full(folder: Path, needed: int) -> StorageFull:
    """The error for a folder whose file system has no room for `needed` bytes."""
    available = 0
    with contextlib.suppress(OSError):
        available = shutil.disk_usage(folder).free
    return StorageFull(
        f"The pixel folder {folder} has no room for {needed} bytes ({available} are free on its disk). "
        "Free some space, or point UNDERPAINT_PIXEL_DIR to a larger disk and restart the daemon.",
        metadata={"needed_bytes": str(needed), "available_bytes": str(available)},
    )


def write_into(path: Path, buffer: Buffer) -> None:
    """Copies a contiguous buffer to the start of an allocated file: one copy, and no page fault on the way.

    Faster than writing through a map, and a file system that is full after all (a copy-on-write one) is an
    error here instead of SIGBUS. Raises `BlobNotFound`, `BlobStateError` (file of another size or kind),
    `StorageFull`.
    """
    view = memoryview(buffer).cast("B")
    handle = _open(path, os.O_WRONLY, len(view))
    try:
        done = 0
        while done < len(view):
            done += os.write(handle, view[done:])
    except OSError as error:
        if error.errno in _FULL:
            raise storage_full(path.parent, len(view)) from error
        raise
    finally:
        os.close(handle)


def map_readonly(path: Path, size: int) -> memoryview:
    """Maps the first `size` bytes of a file, read-only. The map lives as long as the view or a slice of it.

    Pages are entered into the table at once, in the calling thread: the host's main thread, which reads the
    pixels later, then takes no page faults. Raises `BlobNotFound` if the file is gone, `BlobStateError` if
    it is shorter.
    """
    handle = _open(path, os.O_RDONLY, size)
    try:
        if _POPULATE:
            flags = mmap.MAP_SHARED | _POPULATE
            return memoryview(mmap.mmap(handle, size, flags=flags, prot=mmap.PROT_READ))
        return memoryview(mmap.mmap(handle, size, access=mmap.ACCESS_READ))
    finally:
        os.close(handle)


@contextlib.contextmanager
def map_writable(path: Path, size: int) -> Iterator[memoryview]:
    """Maps the first `size` bytes of a file for writing; whoever else maps it sees every byte at once.

    The view is released at the end; slices of it must be gone by then. Raises as `map_readonly` does.
    """
    handle = _open(path, os.O_RDWR, size)
    try:
        mapped = mmap.mmap(handle, size, access=mmap.ACCESS_WRITE)
    finally:
        os.close(handle)
    view = memoryview(mapped)
    try:
        yield view
    finally:
        view.release()
        # A forgotten slice keeps the pages until it goes; that is no reason to fail the write.
        with contextlib.suppress(BufferError):
            mapped.close()


def _open(path: Path, mode: int, size: int) -> int:
    flags = mode | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    try:
        handle = os.open(path, flags)
    except FileNotFoundError as error:
        raise BlobNotFound(
            f"The pixels at {path} are gone: their lease ended, or the daemon restarted. Upload them again."
        ) from error
    found = os.fstat(handle)
    # Pages behind the end of a file are SIGBUS: never map them.
    if not stat.S_ISREG(found.st_mode) or found.st_size < size:
        os.close(handle)
        raise BlobStateError(
            f"{path} holds {found.st_size} bytes instead of {size}; nothing but underpaint may write there."
        )
    return handle


def _reserve(handle: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(handle, 0, size)
            return
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
    # No such call here (macOS, Windows, some network file systems): written zeros have blocks too.
    zeros = memoryview(bytes(min(size, _ZEROS)))
    done = 0
    while done < size:
        done += os.write(handle, zeros[: min(size - done, len(zeros))])
