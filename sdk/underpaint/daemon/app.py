"""The daemon's parts put together, and their life: start, housekeeping, drain, end."""

from __future__ import annotations

import asyncio
from functools import partial

import structlog

from underpaint.daemon.activity import Activity
from underpaint.daemon.blobs.folder import PixelFolder
from underpaint.daemon.blobs.probe import Prober
from underpaint.daemon.blobs.store import BlobStore
from underpaint.daemon.board import Board
from underpaint.daemon.controls import ControlIndex
from underpaint.daemon.journal import Journal
from underpaint.daemon.loras import LoraIndex
from underpaint.daemon.manager import JobManager
from underpaint.daemon.models import ModelIndex
from underpaint.daemon.patience import Patience
from underpaint.daemon.plugins import Plugins
from underpaint.daemon.policy import read_policy
from underpaint.daemon.process import sweep_sockets
from underpaint.daemon.resolve import Resolver
from underpaint.daemon.runner import Runner
from underpaint.daemon.safety import Safety
from underpaint.daemon.settings import Settings
from underpaint.daemon.submission import Submission
from underpaint.daemon.supervisor import Supervisor
from underpaint.daemon.tasks import TaskSet
from underpaint.errors import ShuttingDown
from underpaint.wire.paths import private_dir

log = structlog.get_logger(__name__)

HOUSEKEEPING_S = 10.0


class Daemon:
    """Everything but the gRPC server. Made and used in one event loop."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        for folder in (settings.state_dir, settings.pixel_dir, settings.state_dir / "logs"):
            private_dir(folder)
        self.activity = Activity()
        self.journal = Journal(settings.state_dir / "jobs.sqlite")
        self.board = Board(self.journal)
        pixels = PixelFolder(settings.pixel_dir)
        self.blobs = BlobStore(
            pixels,
            quota_bytes=settings.pixel_quota_bytes,
            lease_s=settings.lease_s,
            max_pixels=settings.max_image_pixels,
        )
        self.prober = Prober(pixels.root)
        self.models = ModelIndex(
            settings.model_roots,
            default_model=settings.default_model,
            default_inpaint_model=settings.default_inpaint_model,
            roots_file=settings.model_roots_file,
            cache_file=settings.state_dir / "models.sqlite",
            load_plugins=partial(
                Plugins,
                installed_models=settings.installed_models,
                allow=settings.plugins_allow,
                block=settings.plugins_block,
            ),
        )
        self.controls = ControlIndex(self.models)
        self.loras = LoraIndex(self.models)
        self.safety = Safety(read_policy(settings.policy_file), settings.safety_filters, self.models)
        resolver = Resolver(
            self.models,
            self.controls,
            self.loras,
            self.blobs,
            self.safety,
            max_step_pixels=settings.max_step_pixels,
        )
        self.jobs = JobManager(settings, self.board, self.journal, self.blobs)
        self.submission = Submission(
            self.board,
            self.journal,
            self.blobs,
            resolver,
            max_jobs_per_client=settings.max_jobs_per_client,
        )
        runner = Runner(
            self.board,
            self.blobs,
            self.models,
            self.controls,
            self.loras,
            self.safety,
            Patience(settings.cancel_patience_s),
        )
        self.supervisor = Supervisor(settings, self.board, runner)
        self.jobs.ask_to_stop = runner.cancel
        self.submission.check_engine = self.supervisor.check_engine
        self._tasks = TaskSet()
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._drain_s = settings.drain_s

    async def start(self) -> None:
        """Opens the journal and takes over what an earlier daemon left. Workers come with `run_workers`."""
        sweep_sockets(self.settings.runtime_dir)
        await self.journal.open()
        await self.blobs.restore(await self.journal.kept_blobs())
        await self.board.restore()

    def run_workers(self) -> None:
        """Starts to keep workers, and housekeeping."""
        self.supervisor.start(now=self.settings.start_workers)
        self._tasks.spawn(self._housekeeping(), "housekeeping")
        self._tasks.spawn(self.models.all(), "first look at the models")
        if self.settings.idle_timeout_s:
            self._tasks.spawn(self._watch_idleness(self.settings.idle_timeout_s), "idle timeout")

    def stop(self, drain_s: float | None = None) -> None:
        """Begins to end; a second call does not wait for running jobs any longer."""
        if self._stop.is_set():
            self._hurry.set()
            return
        if drain_s is not None:
            self._drain_s = drain_s
        self._stop.set()

    async def stopped(self) -> None:
        """Returns when somebody asked for the end."""
        await self._stop.wait()

    async def drain(self) -> None:
        """Takes no more jobs, gives running ones their time, puts the rest back into the queue."""
        log.info("draining", seconds=self._drain_s, jobs=len(self.board.jobs))
        self.submission.close()
        self.jobs.close()
        self.supervisor.halt()
        settle = asyncio.ensure_future(self.supervisor.settle(self._drain_s))
        hurry = asyncio.ensure_future(self._hurry.wait())
        await asyncio.wait((settle, hurry), return_when=asyncio.FIRST_COMPLETED)
        for task in (settle, hurry):
            task.cancel()
        await self.supervisor.put_back()
        self.board.close_watchers(
            ShuttingDown("The daemon is going away. Queued jobs are kept and run when a daemon starts again.")
        )

    async def close(self) -> None:
        """Ends workers and tasks, lets blobs go that no job holds, closes the journal."""
        await self._tasks.cancel()
        await self.supervisor.stop()
        await self.jobs.settle()
        await self.board.close()
        await self.blobs.close()
        await self.journal.close()

    async def _housekeeping(self) -> None:
        while True:
            await self.jobs.retire()
            await self.blobs.sweep()
            await self.prober.sweep()
            await asyncio.sleep(min(HOUSEKEEPING_S, self.settings.lease_s / 4))

    async def _watch_idleness(self, timeout_s: float) -> None:
        while True:
            # Jobs that wait for an engine which is not installed keep nobody awake.
            if self.board.jobs and self.supervisor.can_run:
                self.activity.touch()
            if self.activity.idle_s >= timeout_s:
                log.info("idle; ending", idle_s=round(self.activity.idle_s, 1))
                self.stop()
                return
            await asyncio.sleep(min(1.0, timeout_s / 4))
