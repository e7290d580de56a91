"""Finished pixels on disk."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from underpaint.pixels.files import storage_full


def write_raw(path: Path, samples: npt.NDArray[np.generic]) -> str:
    """Writes an array's bytes to a new file (0600), down to the disk, and returns their SHA-256 in hex.

    Raises `StorageFull`, leaving nothing behind, where they do not fit.
    """
    data = np.ascontiguousarray(samples).reshape(-1).view(np.uint8).data
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise storage_full(path.parent, len(data)) from error
        raise
    return hashlib.sha256(data).hexdigest()
