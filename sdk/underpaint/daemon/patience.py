"""For how long a worker may go on, in silence, with a job that it was told to stop."""

from __future__ import annotations

import asyncio
import time

import structlog

from underpaint.daemon.process import WorkerProcess

log = structlog.get_logger(__name__)

LOOK_S = 1.0


class Patience:
    """Knows when each running job was last heard of. Used from the event loop's thread.

    A worker that still tells of steps is slow, not stuck, and is never ended.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._heard: dict[str, float] = {}

    def heard(self, job: str) -> None:
        """The worker has said something about it."""
        self._heard[job] = time.monotonic()

    def forget(self, job: str) -> None:
        """It does not run any more."""
        self._heard.pop(job, None)

    async def run_out(self, job: str, process: WorkerProcess) -> None:
        """Waits until the job has ended, or kills the worker once nothing was heard for too long.

        The worker's other jobs then run once more, as after a crash.
        """
        told = time.monotonic()
        while job in self._heard and not process.has_ended:
            left = max(told, self._heard[job]) + self._seconds - time.monotonic()
            if left <= 0:
                log.error("worker does not stop a cancelled job; ending it", job=job, pid=process.pid)
                process.kill()
                return
            await asyncio.sleep(min(left, LOOK_S))
