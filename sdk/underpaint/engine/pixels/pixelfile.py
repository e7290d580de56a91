"""Pixels that lie in a file and never as a whole in memory."""

from __future__ import annotations

import errno
import os
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from underpaint.pixels.files import allocate, storage_full

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_Indices = npt.NDArray[np.intp]


class PixelFile:
    """An array `(height, width, channels)` in a new file, written and read window by window.

    Nothing is mapped: touched pages of a map count as the process's own memory. The file has all its blocks
    from the start, so a disk that is too small is found out before the work is done. One thread at a time.
    """

    def __init__(self, path: Path, shape: tuple[int, int, int], dtype: npt.DTypeLike) -> None:
        """Raises `StorageFull`, leaving nothing behind; `FileExistsError`."""
        self.path, self.shape, self.dtype = path, shape, np.dtype(dtype)
        self._pixel = shape[2] * self.dtype.itemsize
        allocate(path, shape[0] * shape[1] * self._pixel)
        self._handle = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
        self._close = weakref.finalize(self, os.close, self._handle)

    def write(self, row: int, column: int, pixels: npt.NDArray[Any]) -> None:
        """Puts `pixels`, `(rows, columns, channels)`, where their first one is at `row`, `column`."""
        lines = np.ascontiguousarray(pixels, self.dtype)
        if lines.shape[1] == self.shape[1]:
            self._put(row, 0, lines)
        else:
            for index, line in enumerate(lines):
                self._put(row + index, column, line)

    def window(self, rows: _Indices, columns: _Indices) -> npt.NDArray[Any]:
        """The pixels at these rows and columns, as `array[rows][:, columns]` would give them."""
        found = np.empty((len(rows), len(columns), self.shape[2]), self.dtype)
        runs = _runs(columns)
        for index, row in enumerate(rows):
            for first, last in runs:
                self._get(int(row), int(columns[first]), found[index, first:last])
        return found

    def finish(self) -> npt.NDArray[Any]:
        """Down to the disk and closed; the same file as a read-only map, for whoever wants to look."""
        os.fsync(self._handle)
        self._close()
        return np.memmap(self.path, self.dtype, "r", shape=self.shape)

    def remove(self) -> None:
        """Closed, and gone."""
        self._close()
        self.path.unlink(missing_ok=True)

    def _put(self, row: int, column: int, pixels: npt.NDArray[Any]) -> None:
        data = pixels.reshape(-1).view(np.uint8).data
        self._seek(row, column)
        done = 0
        try:
            while done < len(data):
                done += os.write(self._handle, data[done:])
        except OSError as error:
            # A file system that copies on write can be full in spite of the blocks that were reserved.
            if error.errno in _FULL:
                raise storage_full(self.path.parent, len(data)) from error
            raise

    def _get(self, row: int, column: int, pixels: npt.NDArray[Any]) -> None:
        self._seek(row, column)
        data = os.read(self._handle, pixels.nbytes)
        pixels[:] = np.frombuffer(data, self.dtype).reshape(pixels.shape)

    def _seek(self, row: int, column: int) -> None:
        os.lseek(self._handle, (row * self.shape[1] + column) * self._pixel, os.SEEK_SET)


def window(picture: npt.NDArray[Any] | PixelFile, rows: _Indices, columns: _Indices) -> npt.NDArray[Any]:
    """`picture[rows][:, columns]`, wherever the picture lies."""
    if isinstance(picture, PixelFile):
        return picture.window(rows, columns)
    return picture[rows][:, columns]


def _runs(indices: _Indices) -> list[tuple[int, int]]:
    """Begin and end of what follows one upon the other."""
    edges = [0, *(np.flatnonzero(np.diff(indices) != 1) + 1).tolist(), len(indices)]
    return list(zip(edges[:-1], edges[1:], strict=True))
