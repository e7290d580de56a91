"""Background tasks that cannot get lost, and work in threads that nobody runs away from."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import structlog

log = structlog.get_logger(__name__)
Result = TypeVar("Result")


class TaskSet:
    """Tasks of one owner: each is held until it ends, and a fault is logged, never silent.

    Use from the event loop's thread only.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def spawn(self, coroutine: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Starts a task."""
        task = asyncio.get_running_loop().create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def cancel(self) -> None:
        """Cancels what runs and waits for it."""
        running = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def settle(self, timeout_s: float) -> None:
        """Waits for what runs, at most so long."""
        running = [task for task in self._tasks if task is not asyncio.current_task()]
        if running:
            await asyncio.wait(running, timeout=timeout_s)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            log.error("background task failed", task=task.get_name(), exc_info=fault)


async def to_its_end(function: Callable[[], Result]) -> Result:
    """Runs it in a thread. Who is cancelled meanwhile waits all the same before he cleans up after it.

    A file closed under a thread that still writes may be another one's by then: numbers are used again.
    """
    work = asyncio.ensure_future(asyncio.to_thread(function))
    try:
        return await asyncio.shield(work)
    finally:
        while not work.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait((work,))
