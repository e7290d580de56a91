"""Leases on blobs: renewed in the background while pixels are in use, given back when they are not."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Final

from underpaint.client.link import Link
from underpaint.errors import BlobNotFound, BlobStateError, UnderpaintError
from underpaint.v1 import blob_service_pb2

_RETRY: Final = 5.0
_WITHOUT_EXPIRY: Final = 60.0
"""Seconds assumed for a lease that does not say when it ends."""
_LAST_RELEASES: Final = 2.0
"""Seconds that closing waits for the daemon to take leases back; they end by themselves anyway."""


class _Held:
    __slots__ = ("count", "renew_at")

    def __init__(self) -> None:
        self.count = 0
        self.renew_at = 0.0


class Leases:
    """Counts our uses of each blob. Lives on one event loop; only `drop_soon` may come from other threads."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._held: dict[str, _Held] = {}
        self._wake = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._releases: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()

    def hold(self, blob: blob_service_pb2.Blob) -> None:
        """We have one more lease on a blob."""
        held = self._held.setdefault(blob.name, _Held())
        held.count += 1
        held.renew_at = _renew_at(blob)
        self._wake.set()
        if self._keeper is None or self._keeper.done():
            self._keeper = self._loop.create_task(self._keep())

    def drop(self, name: str) -> None:
        """Gives a lease back, in the background. Each call of `hold` needs one."""
        held = self._held.get(name)
        if held is None:
            return
        held.count -= 1
        if held.count == 0:
            del self._held[name]
        task = self._loop.create_task(self._release(name))
        self._releases.add(task)
        task.add_done_callback(self._releases.discard)

    def drop_soon(self, name: str) -> None:
        """As `drop`, from any thread, also while the interpreter or the loop goes down."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.drop, name)

    async def close(self) -> None:
        """Gives everything back. Mapped pixels stay readable: their files are unlinked, not truncated."""
        for name, held in list(self._held.items()):
            for _ in range(held.count):
                self.drop(name)
        if self._keeper is not None:
            self._keeper.cancel()
        if self._releases:
            _, late = await asyncio.wait(self._releases, timeout=_LAST_RELEASES)
            for task in late:
                task.cancel()

    async def _release(self, name: str) -> None:
        # Never start a daemon for this: one that went took its leases with it.
        with contextlib.suppress(UnderpaintError):
            await self._link.call(
                blob_service_pb2.ReleaseBlobRequest(name=name),
                blob_service_pb2.ReleaseBlobResponse,
                start=False,
            )

    async def _keep(self) -> None:
        while self._held:
            self._wake.clear()
            pause = min(held.renew_at for held in self._held.values()) - time.time()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._wake.wait(), max(0.0, pause))
            now = time.time()
            for name in [name for name, held in self._held.items() if held.renew_at <= now]:
                await self._renew(name)

    async def _renew(self, name: str) -> None:
        held = self._held.get(name)
        if held is None:
            return
        request = blob_service_pb2.RenewBlobRequest(name=name)
        try:
            # A renewal extends the one lease that ends first: as many calls as we hold leases.
            for _ in range(held.count):
                reply = await self._link.call(request, blob_service_pb2.RenewBlobResponse, start=False)
                held.renew_at = _renew_at(reply.blob)
        except (BlobNotFound, BlobStateError):
            self._held.pop(name, None)
        except UnderpaintError:
            held.renew_at = time.time() + _RETRY


def _renew_at(blob: blob_service_pb2.Blob) -> float:
    """When half of a lease's life is over."""
    now = time.time()
    left = _WITHOUT_EXPIRY
    if blob.HasField("lease_expire_time"):
        left = blob.lease_expire_time.ToMilliseconds() / 1000 - now
    return now + max(0.2, left / 2)
