"""All workers: one a device, with the jobs handed out to them."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Sequence

import grpc
import structlog

from underpaint.daemon.board import Board
from underpaint.daemon.live import LiveJob
from underpaint.daemon.models import to_source
from underpaint.daemon.process import ENGINE_COMMAND, WorkerCommand
from underpaint.daemon.runner import Runner
from underpaint.daemon.scan import FoundModel
from underpaint.daemon.settings import Settings, for_workers
from underpaint.daemon.tasks import TaskSet
from underpaint.daemon.worker import Worker, rpc_error
from underpaint.errors import EngineMissing, WorkerLost
from underpaint.types import FreedMemory, WorkerInfo
from underpaint.worker_v1.worker_service_pb2 import (
    LoadModelRequest,
    UnloadModelRequest,
    YieldMemoryRequest,
)

log = structlog.get_logger(__name__)

SETTLE_S = 5.0
ENGINE_LIBRARIES = ("torch", "diffusers", "transformers", "safetensors")


def missing_libraries(names: Sequence[str] = ENGINE_LIBRARIES) -> list[str]:
    """Libraries of the engine that this interpreter does not have. Imports none of them."""
    return [name for name in names if importlib.util.find_spec(name) is None]


class Supervisor:
    """Hands jobs to workers as these have room, in the order of the queue."""

    def __init__(self, settings: Settings, board: Board, runner: Runner) -> None:
        self._board = board
        self._runner = runner
        self._tasks = TaskSet()
        self._jobs = TaskSet()
        self._draining = False
        self._devices = settings.devices
        missing = [] if settings.worker_command else missing_libraries()
        self._missing = f"{', '.join(missing)} not installed" if missing else ""
        self._workers = [] if missing else [_worker(settings, device) for device in settings.devices]
        for worker in self._workers:
            worker.on_change = self._worker_changed
        board.on_queue = self._wanted

    @property
    def infos(self) -> list[WorkerInfo]:
        """Workers, as GetServerInfo shows them."""
        if self._missing:
            return [WorkerInfo(device, "missing", problem=self._missing) for device in self._devices]
        return [worker.info for worker in self._workers]

    def check_engine(self) -> None:
        """Raises EngineMissing where no worker can ever run here."""
        if self._missing:
            raise EngineMissing(
                f"The engine is not installed beside the daemon ({self._missing}). "
                "Run: pip install 'underpaint[engine]', then restart the daemon."
            )

    @property
    def can_run(self) -> bool:
        """Whether waiting jobs will be run."""
        return bool(self._workers)

    def start(self, *, now: bool) -> None:
        """Begins to keep workers; with `now` their processes start at once, else with the first job."""
        for worker in self._workers:
            self._tasks.spawn(worker.keep(), f"worker {worker.info.device}")
            if now or len(self._board.queue):
                worker.want()

    def dispatch(self) -> None:
        """Hands out what can be handed out."""
        while not self._draining and len(self._board.queue):
            for worker in sorted(self._workers, key=lambda worker: len(worker.running)):
                live = self._board.take(worker.accepts)
                if live is not None:
                    worker.running[live.name] = live
                    self._jobs.spawn(self._run(worker, live), f"run {live.name}")
                    break
            else:
                return

    def halt(self) -> None:
        """Starts nothing more; what runs goes on."""
        self._draining = True

    async def settle(self, timeout_s: float) -> None:
        """Waits for running jobs, at most so long."""
        await self._jobs.settle(timeout_s)

    async def put_back(self) -> None:
        """Stops what still runs and puts it back into the journal's queue, for the next daemon."""
        for live in self._running():
            log.info("job goes back to the queue", job=live.name)
            self._runner.interrupt(live)
        await self._jobs.settle(SETTLE_S)
        for live in self._running():
            await self._board.requeue(live)

    def _running(self) -> list[LiveJob]:
        return [
            live
            for worker in self._workers
            for live in worker.running.values()
            if not live.ended and not live.is_queued
        ]

    async def stop(self) -> None:
        """Ends every worker."""
        self._draining = True
        await self._jobs.cancel()
        await self._tasks.cancel()

    async def load(self, model: FoundModel) -> None:
        """Brings a model into the memory of every worker that runs."""
        self.check_engine()
        request = LoadModelRequest(model=to_source(model))
        for worker in self._workers:
            process = await worker.ready()
            try:
                await process.stub.LoadModel(request, metadata=process.metadata)
            except grpc.aio.AioRpcError as error:
                raise rpc_error(error, worker.info.device) from error

    async def unload(self, name: str) -> None:
        """Gives a model's memory back, or that of all models for ""."""
        for worker in self._workers:
            if worker.process is None:
                continue
            try:
                await worker.process.stub.UnloadModel(
                    UnloadModelRequest(name=name), metadata=worker.process.metadata
                )
            except grpc.aio.AioRpcError as error:
                raise rpc_error(error, worker.info.device) from error

    async def yield_memory(self, *, ram: bool, pause_s: int) -> FreedMemory:
        """Has every worker that runs give memory back between two steps; what came free in all."""
        request = YieldMemoryRequest(ram=ram, pause_seconds=pause_s)
        device = machine = 0
        for worker in self._workers:
            process = worker.process
            if process is None:
                continue
            try:
                freed = await process.stub.YieldMemory(request, metadata=process.metadata)
            except grpc.aio.AioRpcError as error:
                raise rpc_error(error, worker.info.device) from error
            device += freed.device_bytes
            machine += freed.ram_bytes
        return FreedMemory(device, machine)

    async def loaded(self) -> set[str]:
        """Names of models in some worker's memory."""
        processes = [worker.process for worker in self._workers if worker.process is not None]
        answers = await asyncio.gather(*(process.describe() for process in processes))
        return {name for answer in answers if answer is not None for name in answer.loaded_models}

    async def _run(self, worker: Worker, live: LiveJob) -> None:
        try:
            await self._runner.run(live, worker)
        finally:
            worker.running.pop(live.name, None)
            self.dispatch()

    def _wanted(self) -> None:
        for worker in self._workers:
            worker.want()
        self.dispatch()

    def _worker_changed(self) -> None:
        if self._workers and all(worker.is_lost for worker in self._workers):
            error = WorkerLost(f"No worker can be started. {self._workers[0].problem}")
            for name in self._board.queue:
                self._jobs.spawn(self._board.fail(self._board.jobs[name], error), f"fail {name}")
            return
        self.dispatch()


def _worker(settings: Settings, device: str) -> Worker:
    command = WorkerCommand(
        device=device,
        command=settings.worker_command or ENGINE_COMMAND,
        runtime_dir=settings.runtime_dir,
        log_path=settings.state_dir / "logs" / f"worker-{device.replace(':', '-')}.log",
        environment=for_workers(settings),
    )
    return Worker(command, start_timeout_s=settings.worker_start_timeout_s, slots=settings.jobs_per_worker)
