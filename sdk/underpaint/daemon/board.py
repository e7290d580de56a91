"""Every unfinished job, its changes, and who hears of them: the one place where a job's state is altered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from google.protobuf.timestamp_pb2 import Timestamp

from underpaint.daemon.journal import Journal
from underpaint.daemon.live import LiveJob
from underpaint.daemon.queue import JobQueue
from underpaint.daemon.tasks import TaskSet
from underpaint.errors import UnderpaintError, WorkerLost
from underpaint.v1.image_pb2 import ImageLayout
from underpaint.v1.job_service_pb2 import (
    JOB_STATE_CANCELLED,
    JOB_STATE_FAILED,
    JOB_STATE_QUEUED,
    JOB_STATE_RUNNING,
    JOB_STATE_SUCCEEDED,
    Job,
    JobResult,
    JobState,
    PlannedStage,
    Preview,
)
from underpaint.wire.status import error_to_status

# Progress reaches the disk at most this often a job; watchers see every step at once.
SAVE_EVERY_S = 0.25
# A job that was running when its worker, or the daemon, was lost is tried once more.
MAX_ATTEMPTS = 2
LOST_TWICE = (
    "Twice underpaint ended abruptly while this job ran: try a smaller picture or fewer steps, and look into "
    "the logs folder in the daemon's state folder."
)


def now() -> Timestamp:
    """This moment, as messages carry it."""
    stamp = Timestamp()
    stamp.GetCurrentTime()
    return stamp


class Board:
    """Unfinished jobs by name. Used from the event loop's thread.

    `on_queue` is called when a job may be waiting for a worker, `on_ended` with the name of a job that let
    its inputs go and holds `results` now; nobody hears of the end before it has returned.
    """

    def __init__(self, journal: Journal) -> None:
        self.jobs: dict[str, LiveJob] = {}
        self.queue = JobQueue()
        self.on_queue: Callable[[], None] = lambda: None
        self.on_ended: Callable[[str, Sequence[str]], Awaitable[None]] = _nothing_more
        self._journal = journal
        self._tasks = TaskSet()
        self._saves: dict[str, asyncio.TimerHandle] = {}

    async def add(self, live: LiveJob, blobs: Mapping[str, ImageLayout]) -> None:
        """Journals a new job and queues it."""
        await self._journal.add(live, blobs)
        self._enqueue(live)

    async def restore(self) -> int:
        """Takes over what an earlier daemon left unfinished; returns how many jobs."""
        for live in await self._journal.unfinished():
            if live.message.state == JOB_STATE_RUNNING:
                # That daemon was killed, perhaps by this job: the attempt counts.
                live.attempts += 1
            if live.attempts >= MAX_ATTEMPTS:
                self.jobs[live.name] = live
                await self.fail(live, WorkerLost(LOST_TWICE))
                continue
            self._back_to_queue(live)
            await self._journal.save(live)
            self._enqueue(live)
        return len(self.jobs)

    async def start(self, live: LiveJob, engine_version: str) -> None:
        """A worker takes the job."""
        live.message.engine_version = engine_version
        live.message.state = JOB_STATE_RUNNING
        live.message.progress.queue_position = 0
        live.message.start_time.CopyFrom(now())
        await self._commit(live)

    def plan(self, live: LiveJob, stages: Sequence[PlannedStage]) -> None:
        """The stages to expect."""
        del live.message.plan[:]
        live.message.plan.extend(stages)
        self._change(live)
        self._save_soon(live)

    def step(self, live: LiveJob, stage_index: int, step: int, share: float) -> None:
        """A step is done; `share` of the whole job, which never falls."""
        progress = live.message.progress
        progress.stage_index, progress.step = stage_index, step
        progress.fraction = max(progress.fraction, share)
        self._change(live)
        self._save_soon(live)

    def preview(self, live: LiveJob, preview: Preview) -> None:
        """A rough picture, for those who want it."""
        for watcher in live.watchers:
            watcher.put_preview(preview)

    async def requeue(self, live: LiveJob) -> None:
        """The job goes back to its old place in the queue."""
        self._back_to_queue(live)
        await self._commit(live)
        self._enqueue(live)

    async def succeed(
        self, live: LiveJob, results: Sequence[JobResult], describe: Callable[[Job], None]
    ) -> None:
        """The results are spooled: the job is done. `describe` adds what the worker said of them."""

        def change(job: Job) -> None:
            describe(job)
            job.results.extend(results)
            job.progress.fraction = 1.0

        layouts = {result.image.blob: result.layout for result in results}
        await self._end(live, JOB_STATE_SUCCEEDED, change, layouts)

    async def fail(self, live: LiveJob, error: UnderpaintError) -> None:
        """The job failed."""
        status = error_to_status(error)
        await self._end(live, JOB_STATE_FAILED, lambda job: job.error.CopyFrom(status), {})

    async def cancelled(self, live: LiveJob, error: UnderpaintError) -> None:
        """The job was cancelled."""
        status = error_to_status(error)
        await self._end(live, JOB_STATE_CANCELLED, lambda job: job.error.CopyFrom(status), {})

    def take(self, accept: Callable[[LiveJob], bool]) -> LiveJob | None:
        """Takes the next job out of the queue if `accept` agrees."""
        name = self.queue.take(lambda name: accept(self.jobs[name]))
        if name is None:
            return None
        self._renumber()
        return self.jobs[name]

    def close_watchers(self, error: UnderpaintError) -> None:
        """Ends every stream."""
        for live in self.jobs.values():
            for watcher in live.watchers:
                watcher.close(error)

    async def close(self) -> None:
        """Writes what is pending."""
        for name, timer in list(self._saves.items()):
            timer.cancel()
            if name in self.jobs:
                await self._journal.save(self.jobs[name])
        self._saves.clear()
        await self._tasks.settle(5.0)

    def _back_to_queue(self, live: LiveJob) -> None:
        live.message.state = JOB_STATE_QUEUED
        live.message.ClearField("start_time")
        live.message.progress.stage_index = live.message.progress.step = 0

    def _enqueue(self, live: LiveJob) -> None:
        self.jobs[live.name] = live
        self.queue.add(live.name, live.message.priority, live.ordinal)
        self._renumber()
        self.on_queue()

    def _renumber(self) -> None:
        for position, name in enumerate(self.queue):
            live = self.jobs[name]
            if live.message.progress.queue_position != position:
                live.message.progress.queue_position = position
                self._change(live)

    async def _commit(self, live: LiveJob) -> None:
        """Journals first, tells after."""
        self._forget_save(live)
        live.message.sequence += 1
        snapshot = copy_job(live.message)
        await self._journal.save(live)
        self._publish(live, snapshot)

    async def _end(
        self,
        live: LiveJob,
        state: JobState,
        change: Callable[[Job], None],
        results: Mapping[str, ImageLayout],
    ) -> None:
        if live.ended:
            return
        live.ended = True
        self._forget_save(live)
        self.queue.discard(live.name)
        # Readers see the old state until the new one is on disk and what it ends is gone.
        final = copy_job(live.message)
        change(final)
        final.state = state
        final.progress.queue_position = 0
        final.end_time.CopyFrom(now())
        final.sequence += 1
        await self._journal.finish(live, final, results)
        try:
            await self.on_ended(live.name, list(results))
        finally:
            live.message = final
            self.jobs.pop(live.name, None)
            self._publish(live, final)
            self._renumber()

    def _change(self, live: LiveJob) -> None:
        live.message.sequence += 1
        if live.watchers:
            self._publish(live, copy_job(live.message))

    def _publish(self, live: LiveJob, snapshot: Job) -> None:
        for watcher in live.watchers:
            watcher.put(snapshot)

    def _save_soon(self, live: LiveJob) -> None:
        if live.name in self._saves:
            return

        def save() -> None:
            self._saves.pop(live.name, None)
            self._tasks.spawn(self._save(live), f"save {live.name}")

        self._saves[live.name] = asyncio.get_running_loop().call_later(SAVE_EVERY_S, save)

    async def _save(self, live: LiveJob) -> None:
        # The job may have ended between the timer and this task: its final row must stay the last one.
        if not live.ended:
            await self._journal.save(live)

    def _forget_save(self, live: LiveJob) -> None:
        timer = self._saves.pop(live.name, None)
        if timer is not None:
            timer.cancel()


async def _nothing_more(name: str, results: Sequence[str]) -> None:
    """Nobody holds anything for the job."""


def copy_job(message: Job) -> Job:
    """A job as it is at this moment."""
    copy = Job()
    copy.CopyFrom(message)
    return copy
