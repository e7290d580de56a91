"""Pixels in pieces of about 1 MiB, for peers that do not see each other's files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from underpaint.errors import BlobStateError
from underpaint.types import Buffer

CHUNK: Final = 1 << 20
"""Bytes a piece; gRPC's default limit for a message is four times as much."""


def chunks(buffer: Buffer) -> Iterator[memoryview]:
    """The buffer's bytes in order, in pieces of `CHUNK` bytes (the last one shorter), without a copy.

    The buffer must be contiguous; an empty one gives nothing.
    """
    view = memoryview(buffer).cast("B")
    for offset in range(0, len(view), CHUNK):
        yield view[offset : offset + CHUNK]


class Assembly:
    """Puts pieces together in order: `add` each, then `finish`. One thread.

    Raises `BlobStateError` for a gap, an overlap, too much or too little.
    """

    def __init__(self, target: memoryview) -> None:
        self._target = target
        self.done = 0
        """Bytes that have arrived."""

    def add(self, offset: int, data: Buffer) -> None:
        """Takes a piece that starts at byte `offset`."""
        size = memoryview(data).nbytes
        if offset != self.done:
            raise BlobStateError(
                f"A piece starts at byte {offset} instead of {self.done}: pieces come in order, without gaps."
            )
        if offset + size > len(self._target):
            raise BlobStateError(f"{offset + size} bytes arrived for an image of {len(self._target)}.")
        self._target[offset : offset + size] = data
        self.done += size

    def finish(self) -> None:
        """Checks that nothing is missing."""
        if self.done != len(self._target):
            raise BlobStateError(f"{self.done} of {len(self._target)} bytes arrived: upload the image again.")
