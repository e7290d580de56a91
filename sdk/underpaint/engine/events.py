"""Events on their way from the device's thread to a stream of the worker's server."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator

from underpaint.worker_v1 import worker_service_pb2

_FINAL = ("finished", "failed", "cancelled")


class EventStream:
    """A queue in which a newer preview replaces one that nobody took yet. `put` from any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._events: deque[worker_service_pb2.RunJobResponse] = deque()
        self._lock = threading.Lock()
        self._ready = asyncio.Event()

    def put(self, event: worker_service_pb2.RunJobResponse) -> None:
        """Adds an event; never blocks."""
        with self._lock:
            if event.HasField("preview"):
                self._events = deque(other for other in self._events if not other.HasField("preview"))
            self._events.append(event)
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._ready.set)

    async def __aiter__(self) -> AsyncIterator[worker_service_pb2.RunJobResponse]:
        """Every event up to the final one."""
        while True:
            await self._ready.wait()
            self._ready.clear()
            with self._lock:
                events, self._events = self._events, deque()
            for event in events:
                yield event
                if event.WhichOneof("event") in _FINAL:
                    return
