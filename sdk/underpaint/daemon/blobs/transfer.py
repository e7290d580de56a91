"""Pixels in chunks, for clients that do not see the pixel folder."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from functools import partial
from typing import Final

from underpaint.daemon.blobs.store import BlobStore, Entry
from underpaint.daemon.tasks import to_its_end
from underpaint.errors import BlobStateError
from underpaint.pixels.chunks import CHUNK
from underpaint.v1.blob_service_pb2 import ReadBlobResponse, WriteBlobRequest

_BINARY: Final = getattr(os, "O_BINARY", 0)


async def write(store: BlobStore, requests: AsyncIterator[WriteBlobRequest]) -> Entry:
    """Writes chunks in order and seals the blob once it is whole.

    A stream that breaks leaves the blob open: the client may start again from offset 0. Raises
    BlobStateError for gaps, for too many and for too few bytes.
    """
    entry: Entry | None = None
    handle = -1
    done = 0
    try:
        async for request in requests:
            if entry is None:
                entry = _begin(store, request.name)
                handle = os.open(entry.path, os.O_WRONLY | _BINARY)
            if request.offset_bytes != done:
                raise _wrong(entry, f"a chunk starts at byte {request.offset_bytes}, expected {done}")
            if done + len(request.data) > entry.size or len(request.data) > CHUNK:
                raise _wrong(
                    entry, f"a chunk of {len(request.data)} bytes at {done}; the blob has {entry.size}, "
                    f"a chunk at most {CHUNK}"
                )  # fmt: skip
            await to_its_end(partial(_write_at, handle, request.data, done))
            done += len(request.data)
        if entry is None:
            raise BlobStateError("The upload named no blob: send its name in the first message.")
        if done != entry.size:
            raise _wrong(entry, f"{done} of {entry.size} bytes arrived")
        return await store.seal(entry.name, by_writer=True)
    finally:
        if entry is not None:
            entry.writing = False
        if handle >= 0:
            os.close(handle)


async def read(store: BlobStore, name: str) -> AsyncIterator[ReadBlobResponse]:
    """Chunks of a sealed blob, in order. The open file outlives a blob that is let go meanwhile."""
    entry = store.sealed(name)
    handle = os.open(entry.path, os.O_RDONLY | _BINARY)
    try:
        offset = 0
        while offset < entry.size:
            data = await to_its_end(partial(_read_at, handle, min(CHUNK, entry.size - offset), offset))
            if not data:
                raise _wrong(entry, f"its file ends at byte {offset} of {entry.size}")
            yield ReadBlobResponse(offset_bytes=offset, data=data)
            offset += len(data)
    finally:
        os.close(handle)


def _begin(store: BlobStore, name: str) -> Entry:
    entry = store.get(name)
    if entry.sealed or entry.writing:
        raise _wrong(entry, "it is sealed already" if entry.sealed else "another upload is writing to it")
    entry.writing = True
    return entry


def _wrong(entry: Entry, what: str) -> BlobStateError:
    return BlobStateError(f"{entry.name}: {what}.", metadata={"blob": entry.name})


def _write_at(handle: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    if not hasattr(os, "pwrite"):
        os.lseek(handle, offset, os.SEEK_SET)
        while view:
            view = view[os.write(handle, view) :]
        return
    while view:
        written = os.pwrite(handle, view, offset)
        view, offset = view[written:], offset + written


def _read_at(handle: int, size: int, offset: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(handle, size, offset)
    os.lseek(handle, offset, os.SEEK_SET)
    return os.read(handle, size)
