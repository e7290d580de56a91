"""Blobs: who may read them, how long they live, how much room they take."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import structlog

from underpaint.daemon.blobs.folder import PixelFolder
from underpaint.daemon.journal import KeptBlob
from underpaint.daemon.tasks import to_its_end
from underpaint.errors import BlobNotFound, BlobStateError, LimitExceeded, StorageFull
from underpaint.v1.blob_service_pb2 import BLOB_STATE_OPEN, BLOB_STATE_SEALED, Blob
from underpaint.v1.image_pb2 import ImageLayout
from underpaint.wire.images import layout_bytes

log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class Entry:
    """One blob. It lives as long as a lease or a job holds it."""

    name: str
    layout: ImageLayout
    size: int
    path: Path
    sealed: bool = False
    writing: bool = False
    leases: list[float] = field(default_factory=list)
    """When each lease ends, Unix time."""
    jobs: set[str] = field(default_factory=set)

    def message(self) -> Blob:
        """As it travels."""
        blob = Blob(
            name=self.name,
            layout=self.layout,
            size_bytes=self.size,
            state=BLOB_STATE_SEALED if self.sealed else BLOB_STATE_OPEN,
        )
        if self.leases:
            blob.lease_expire_time.FromNanoseconds(int(max(self.leases) * 1e9))
        return blob


class BlobStore:
    """The blobs by name. Used from the event loop's thread; the disk is touched in others.

    Leases carry no identity (callers share one token): a release gives back the lease that ends first, a
    renewal extends it. Unlinked files keep their pages for whoever maps them, so a mistake costs nobody
    pixels that he looks at.
    """

    def __init__(self, folder: PixelFolder, *, quota_bytes: int, lease_s: float, max_pixels: int) -> None:
        self.folder = folder
        self._quota = quota_bytes
        self._lease_s = lease_s
        self._max_pixels = max_pixels
        self._entries: dict[str, Entry] = {}
        self._used = 0

    @property
    def used_bytes(self) -> int:
        """What all blobs take."""
        return self._used

    async def restore(self, kept: Iterable[KeptBlob]) -> list[str]:
        """Takes over the blobs of journalled jobs and removes every other file of ours.

        Returns the names of blobs whose file is missing or has another size.
        """
        lost: list[str] = []
        for blob in kept:
            size, path = layout_bytes(blob.layout), self.folder.path(blob.name)
            if not path.is_file() or path.stat().st_size != size:
                lost.append(blob.name)
                continue
            self._add(Entry(blob.name, blob.layout, size, path, sealed=True, jobs=set(blob.jobs)))
        removed = await asyncio.to_thread(self.folder.sweep, self._entries)
        if removed or lost:
            log.info("pixel folder swept", removed=len(removed), lost=lost)
        return lost

    async def create(self, layout: ImageLayout) -> Entry:
        """Reserves an open blob with a first lease; refuses what is too large before allocating."""
        size = layout_bytes(layout)
        pixels = layout.width_px * layout.height_px
        if pixels > self._max_pixels:
            raise LimitExceeded(
                f"An image may have {self._max_pixels} pixels, this one has {pixels}: scale it down, or "
                "raise UNDERPAINT_MAX_IMAGE_PIXELS and restart the daemon.",
                metadata={"limit": "image_pixels", "maximum": str(self._max_pixels)},
            )
        self.check_room(size)
        name = self.folder.new_name()
        entry = Entry(name, layout, size, self.folder.path(name), leases=[self._lease_end()])
        # Counted before it is allocated, so that two callers cannot share the last bytes of the quota.
        self._add(entry)
        try:
            await to_its_end(partial(self.folder.allocate, name, size))
        except BaseException:
            self._forget(entry)
            self.folder.remove(name)
            raise
        return entry

    def check_room(self, size: int) -> None:
        """Raises StorageFull if the quota has no room for `size` more bytes."""
        available = max(0, self._quota - self._used)
        if size > available:
            raise StorageFull(
                f"The pixel folder's quota has {available} of {self._quota} bytes left, this needs {size}: "
                "delete finished jobs, or raise UNDERPAINT_PIXEL_QUOTA_BYTES and restart the daemon.",
                metadata={"needed_bytes": str(size), "available_bytes": str(available)},
            )

    def get(self, name: str) -> Entry:
        """The blob; raises BlobNotFound."""
        entry = self._entries.get(name)
        if entry is None:
            raise BlobNotFound(
                f"There is no blob {name[:60]!r}: its lease ended or its job was deleted. Upload it again.",
                metadata={"blob": name[:60]},
            )
        return entry

    def sealed(self, name: str) -> Entry:
        """The blob, complete; raises BlobNotFound or BlobStateError."""
        entry = self.get(name)
        if not entry.sealed:
            raise BlobStateError(f"{name} is not sealed yet: seal it first.", metadata={"blob": name})
        return entry

    async def seal(self, name: str, *, by_writer: bool = False) -> Entry:
        """Declares a blob complete. Sealing twice is an error, since somebody may be reading already."""
        entry = self.get(name)
        if entry.sealed or (entry.writing and not by_writer):
            what = "sealed already" if entry.sealed else "still being uploaded"
            raise BlobStateError(f"{name} is {what}.", metadata={"blob": name})
        if not await asyncio.to_thread(self.folder.seal, name, entry.size):
            raise BlobStateError(
                f"{name} does not have {entry.size} bytes any more: its file was truncated. Upload it again.",
                metadata={"blob": name},
            )
        entry.sealed = True
        return entry

    def acquire(self, name: str) -> Entry:
        """Takes one more lease on a sealed blob."""
        entry = self.sealed(name)
        entry.leases.append(self._lease_end())
        return entry

    def renew(self, name: str) -> Entry:
        """Extends a lease; raises BlobStateError if nobody holds one."""
        entry = self.get(name)
        if not entry.leases:
            raise BlobStateError(f"Nobody holds a lease on {name}: acquire it.", metadata={"blob": name})
        entry.leases.remove(min(entry.leases))
        entry.leases.append(self._lease_end())
        return entry

    async def release(self, name: str) -> None:
        """Gives one lease back; unknown names and blobs without a lease are no error."""
        entry = self._entries.get(name)
        if entry is not None and entry.leases:
            entry.leases.remove(min(entry.leases))
            await self._collect(entry)

    def pin(self, names: Iterable[str], job: str) -> None:
        """A job needs these sealed blobs; raises if one is not there. All or none."""
        for entry in [self.sealed(name) for name in names]:
            entry.jobs.add(job)

    async def unpin(self, job: str, *, keep: Sequence[str] = ()) -> None:
        """The job lets its blobs go, but for those in `keep`."""
        for entry in [entry for entry in self._entries.values() if job in entry.jobs]:
            if entry.name not in keep:
                entry.jobs.discard(job)
                await self._collect(entry)

    async def adopt(self, job: str, folder: Path, file: str, layout: ImageLayout) -> Entry:
        """A worker's output file becomes a sealed blob of the job, flushed to disk.

        It counts for the quota and may exceed it: a finished picture is never thrown away.
        """
        name, size = self.folder.new_name(), layout_bytes(layout)
        await asyncio.to_thread(self.folder.adopt, folder, file, name, size)
        entry = Entry(name, layout, size, self.folder.path(name), sealed=True, jobs={job})
        self._add(entry)
        return entry

    async def sweep(self) -> int:
        """Ends leases that have run out; returns how many blobs went."""
        moment, before = time.time(), len(self._entries)
        for entry in list(self._entries.values()):
            if any(end <= moment for end in entry.leases):
                entry.leases = [end for end in entry.leases if end > moment]
                await self._collect(entry)
        return before - len(self._entries)

    async def close(self) -> None:
        """Removes what no job holds; leases end with the daemon."""
        for entry in list(self._entries.values()):
            entry.leases.clear()
            await self._collect(entry)

    async def _collect(self, entry: Entry) -> None:
        if not entry.leases and not entry.jobs and entry.name in self._entries:
            self._forget(entry)
            await asyncio.to_thread(self.folder.remove, entry.name)

    def _lease_end(self) -> float:
        return time.time() + self._lease_s

    def _add(self, entry: Entry) -> None:
        self._entries[entry.name] = entry
        self._used += entry.size

    def _forget(self, entry: Entry) -> None:
        if self._entries.pop(entry.name, None) is not None:
            self._used -= entry.size
