"""One stream that watches a job."""

from __future__ import annotations

import asyncio
from collections import deque

from underpaint.daemon.live import is_final
from underpaint.errors import UnderpaintError
from underpaint.v1.job_service_pb2 import Job, Preview, WatchJobResponse

MAX_PENDING = 64


class Watcher:
    """Holds what a stream has yet to send: every change in order, and the newest preview only.

    A reader that falls far behind loses intermediate steps, never the newest state. Used from the event
    loop's thread.
    """

    def __init__(self, *, previews: bool) -> None:
        self.previews = previews
        self._changes: deque[Job] = deque()
        self._preview: Preview | None = None
        self._closed: UnderpaintError | None = None
        self._ready = asyncio.Event()

    def put(self, snapshot: Job) -> None:
        """A change; the snapshot is never altered after."""
        self._changes.append(snapshot)
        if len(self._changes) > MAX_PENDING:
            self._changes.popleft()
        if is_final(snapshot):
            self._preview = None
        self._ready.set()

    def put_preview(self, preview: Preview) -> None:
        """A preview; one that was not sent yet is stale now and dropped."""
        if self.previews:
            self._preview = preview
            self._ready.set()

    def close(self, error: UnderpaintError) -> None:
        """Ends the stream with an error once what is pending has been sent."""
        self._closed = error
        self._ready.set()

    async def next(self) -> WatchJobResponse:
        """What to send next: changes before previews. Raises the error that `close` was given."""
        while True:
            if self._changes:
                return WatchJobResponse(job=self._changes.popleft())
            if self._preview is not None:
                preview, self._preview = self._preview, None
                return WatchJobResponse(preview=preview)
            if self._closed is not None:
                raise self._closed
            self._ready.clear()
            await self._ready.wait()
