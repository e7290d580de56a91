"""How long the daemon has been idle: for the idle timeout."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import grpc

from underpaint.daemon.handlers import inside

HEALTH = "/grpc.health.v1."


class Activity(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Counts calls in flight and remembers the last one; health checks keep nobody awake."""

    def __init__(self) -> None:
        self._calls = 0
        self._last = time.monotonic()

    def touch(self) -> None:
        """Something happened."""
        self._last = time.monotonic()

    @property
    def idle_s(self) -> float:
        """Seconds since the last call ended; 0 while one is in flight."""
        return 0.0 if self._calls else time.monotonic() - self._last

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler | None]],
        details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler | None:
        """Counts the call."""
        handler = await continuation(details)
        if handler is None or str(details.method).startswith(HEALTH):
            return handler
        return inside(handler, self._count)

    @asynccontextmanager
    async def _count(self, context: grpc.aio.ServicerContext) -> AsyncIterator[None]:
        self._calls += 1
        try:
            yield
        finally:
            self._calls -= 1
            self.touch()
