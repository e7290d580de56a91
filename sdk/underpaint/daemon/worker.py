"""One device: a worker process that is kept alive, and what runs on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import grpc
import structlog

from underpaint.daemon.live import LiveJob
from underpaint.daemon.process import WorkerCommand, WorkerProcess
from underpaint.errors import InternalError, UnderpaintError, WorkerLost
from underpaint.types import WorkerInfo
from underpaint.v1.status_pb2 import Status
from underpaint.wire.headers import STATUS_HEADER
from underpaint.wire.status import status_to_error

log = structlog.get_logger(__name__)

FIRST_BACKOFF_S = 0.2
MAX_BACKOFF_S = 30.0
# So many starts in a row that never got ready, and waiting jobs are told instead of kept waiting.
MAX_FAILED_STARTS = 3


class Worker:
    """Starts the process, notices its end, starts it again with growing pauses.

    `on_change` is called when it gets ready or is lost. Used from the event loop's thread.
    """

    def __init__(self, command: WorkerCommand, *, start_timeout_s: float, slots: int) -> None:
        self.slots = slots
        self.running: dict[str, LiveJob] = {}
        self.engine_version = ""
        self.on_change: Callable[[], None] = lambda: None
        self._command = command
        self._start_timeout_s = start_timeout_s
        self._device = command.device
        self._process: WorkerProcess | None = None
        self._ready = False
        self._problem = ""
        self._restarts = 0
        self._failed_starts = 0
        self._wanted = asyncio.Event()
        self._news = asyncio.Event()

    @property
    def info(self) -> WorkerInfo:
        """As GetServerInfo shows it."""
        if self._ready:
            state = "busy" if self.running else "ready"
        else:
            state = "lost" if self.is_lost else "starting"
        pid = self._process.pid if self._process is not None else 0
        return WorkerInfo(self._device, state, pid, self._problem, self._restarts)

    @property
    def process(self) -> WorkerProcess | None:
        """The process, if it takes calls."""
        process = self._process
        return process if self._ready and process is not None and not process.has_ended else None

    @property
    def is_lost(self) -> bool:
        """Whether it failed to start so often that only a new wish starts it again."""
        return self._failed_starts >= MAX_FAILED_STARTS

    @property
    def problem(self) -> str:
        """Why it is not ready; "" if it is, or only starts."""
        return self._problem

    def accepts(self, live: LiveJob) -> bool:
        """Whether it can take the job now.

        A job that has already lost a worker runs alone: if it does so again, it takes nobody with it.
        """
        if self.process is None or len(self.running) >= self.slots:
            return False
        if live.attempts:
            return not self.running
        return not any(other.attempts for other in self.running.values())

    def want(self) -> None:
        """Somebody needs it: start it, also after it was given up."""
        if self.is_lost:
            self._failed_starts = 0
        self._wanted.set()

    async def ready(self) -> WorkerProcess:
        """The process once it takes calls; raises WorkerLost if it cannot be started."""
        self.want()
        while (process := self.process) is None:
            if self.is_lost:
                raise WorkerLost(self._problem)
            await self._news.wait()
        return process

    async def keep(self) -> None:
        """Runs for the daemon's life; cancel it to stop the process."""
        try:
            while True:
                await self._wanted.wait()
                if await self._live_once():
                    self._failed_starts = 0
                else:
                    self._failed_starts += 1
                    if self.is_lost:
                        self._wanted.clear()
                self._tell()
                pause = FIRST_BACKOFF_S * 2**self._failed_starts
                await asyncio.sleep(min(MAX_BACKOFF_S, pause))
                self._restarts += 1
        finally:
            self._ready = False
            if self._process is not None:
                await asyncio.shield(self._process.stop())
                self._process = None

    async def _live_once(self) -> bool:
        """One process from start to end; whether it got ready."""
        try:
            self._process = await WorkerProcess.start(self._command)
            described = await self._process.ready(self._start_timeout_s)
        except WorkerLost as error:
            self._problem = error.message
            log.error("worker did not get ready", device=self._device, problem=error.message)
            await self._drop()
            return False
        self._device, self.engine_version = described.device or self._device, described.engine_version
        self._ready, self._problem = True, ""
        log.info("worker is ready", device=self._device, pid=self._process.pid, engine=self.engine_version)
        self._tell()
        await self._process.wait()
        self._ready = False
        self._problem = self._process.last_words("The worker ended")
        log.error("worker ended", device=self._device, problem=self._problem, jobs=list(self.running))
        await self._drop()
        return True

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
        self.on_change()

    async def _drop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            await process.stop()


def rpc_error(error: grpc.aio.AioRpcError, worker: str) -> UnderpaintError:
    """What a worker's refusal of a call means to a client of the daemon."""
    for key, value in error.trailing_metadata() or ():
        if key == STATUS_HEADER:
            return status_to_error(Status.FromString(value))
    if error.code() is grpc.StatusCode.UNAVAILABLE:
        return WorkerLost(f"The worker of {worker} was lost: try again, it is being restarted.")
    return InternalError(
        f"The worker of {worker} refused the call ({error.code().name}: {error.details()}): report this with "
        "the worker's log."
    )
