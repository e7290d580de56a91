"""The device's loop: one thread that runs every network, one step at a time.

Each tick drains what came in (cancellations, new jobs, commands), picks a bucket and runs one step for all
its jobs. So a cancelled job sees at most one more denoiser call, a live job waits for one step at most, and
strangers' jobs share forward passes. Reading inputs and writing results happens on a small pool beside it.
"""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import structlog

from underpaint.engine.family import Family, Task
from underpaint.engine.memory.keeper import KEEP_ALIVE_S, Keeper
from underpaint.engine.memory.ladder import Ladder, is_out_of_memory
from underpaint.engine.outputs import finish_job, prepare_job
from underpaint.engine.registry import Families
from underpaint.engine.residency import Freed
from underpaint.engine.running import Phase, RunningJob, Sink
from underpaint.errors import (
    EngineMissing,
    InternalError,
    InvalidRequest,
    OutOfMemory,
    UnderpaintError,
    Violation,
)
from underpaint.types import StageKind
from underpaint.worker_v1 import worker_service_pb2

log = structlog.get_logger(__name__)
Value = TypeVar("Value")

PREVIEW_INTERVAL_S = 0.15
"""Previews of one job come no faster than this."""


class DeviceLoop:
    """Runs jobs on one device. Public methods may be called from any thread."""

    def __init__(self, families: Families, keep_alive: float = KEEP_ALIVE_S) -> None:
        self._families = families
        self._keeper = Keeper(families.shelf, keep_alive)
        self._ladder = Ladder(families.shelf.broker)
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._jobs: dict[str, RunningJob] = {}
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="pixels")
        self._thread = threading.Thread(target=self._run, name="device", daemon=True)
        self._imports: Future[None] = Future()
        self._stopping = False
        self._tick = 0

    def start(self) -> None:
        """Starts the thread and imports, in the background, what the first job will need."""
        self._thread.start()
        self._imports = self._pool.submit(_import_libraries)

    def submit(self, request: worker_service_pb2.RunJobRequest, sink: Sink) -> None:
        """Takes a job; `sink` gets its events, the last one final, from several threads, one at a time.

        Raises `InvalidRequest` if a job of that name is running.
        """
        job = RunningJob(request, sink)
        with self._lock:
            if request.job in self._jobs:
                fault = Violation("job", f"{request.job!r} is running already")
                raise InvalidRequest(f"The job {request.job!r} is running already.", violations=[fault])
            self._jobs[request.job] = job
        self._pool.submit(self._prepare, job).add_done_callback(
            lambda done: self._inbox.put(lambda: self._prepared(job, done))
        )

    def cancel(self, name: str) -> bool:
        """Ends a job at its next step; False if it is not here (any more)."""
        with self._lock:
            job = self._jobs.get(name)
        if job is None:
            return False
        job.cancel()
        self._inbox.put(self._drop_cancelled)
        return True

    def call(self, function: Callable[[], Value]) -> Future[Value]:
        """Runs a function on the device's thread between two steps."""
        future: Future[Value] = Future()

        def run() -> None:
            if future.set_running_or_notify_cancel():
                self._imports.exception()
                _settle(future, function)

        self._inbox.put(run)
        return future

    def load(self, source: worker_service_pb2.ModelSource) -> Future[None]:
        """Brings a model into memory between two steps. Raises `ModelUnusable`, or its future does."""
        family = self._families.get(source)
        return self.call(lambda: self._keeper.load(family, source.name))

    def yield_memory(self, *, ram: bool, pause: float) -> Future[Freed]:
        """Gives memory back between two steps, then lets jobs wait for `pause` seconds; see `Keeper`."""
        return self.call(lambda: self._keeper.yield_memory(self._busy(), ram=ram, pause=pause))

    def stop(self, timeout: float = 5.0) -> bool:
        """Cancels everything and ends the thread; False if a step does not end within `timeout` seconds."""
        with self._lock:
            jobs = list(self._jobs.values())
        for job in jobs:
            job.cancel()

        def end() -> None:
            self._drop_cancelled()
            self._stopping = True

        self._inbox.put(end)
        self._thread.join(timeout)
        self._pool.shutdown(wait=False, cancel_futures=True)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopping:
            group = self._pick()
            try:
                # Nothing to compute: sleep until something comes in, or something in memory is due.
                wait = None if group else self._keeper.wait_s(self._busy())
                message = self._inbox.get(block=not group, timeout=wait)
            except queue.Empty:
                if group:
                    self._step(group)
                else:
                    self._keeper.expire(self._busy())
            else:
                message()

    def _pick(self) -> list[RunningJob]:
        """The jobs of the next step: those that share the bucket of whoever is most entitled."""
        with self._lock:
            active = [job for job in self._jobs.values() if job.phase is Phase.ACTIVE and not job.cancelled]
        if not active or self._keeper.paused:
            return []
        now = time.monotonic()
        active.sort(key=lambda job: (job.rank(now), job.last_tick, job.order))
        leader = active[0]
        bucket = leader.family.bucket(leader.task)
        group = [
            job
            for job in active
            if job.family is leader.family
            and job.family.bucket(job.task) == bucket
            # Nobody makes a live job's step longer.
            and job.live == leader.live
        ]
        return group[: self._ladder.limit(bucket, leader.family.batch_limit(leader.task))]

    def _step(self, group: Sequence[RunningJob]) -> None:
        self._tick += 1
        family = group[0].family
        before = [(job.task.stage_index, job.task.stage_step) for job in group]
        loading = group[0].task.plan[before[0][0]].kind is StageKind.LOADING
        plans = [job.task.plan for job in group]
        error = _guarded(
            lambda: self._ladder.step(family, [job.task for job in group], loading=loading), group
        )
        if error is not None and len(group) > 1:
            # One of them is at fault, or all together are too much: find out which.
            for job in group:
                self._step([job])
            return
        now = time.monotonic()
        for job, (stage, _), plan in zip(group, before, plans, strict=True):
            job.last_tick, job.last_time = self._tick, now
            if error is not None:
                self._end(job, job.failed(error))
                continue
            if job.task.plan != plan:
                job.planned()
            job.stepped(stage)
            self._preview(job, family, now)
            if job.task.aside is not None:
                self._put_aside(job, job.task.aside)
            elif job.task.ready_to_finish:
                self._finish(job)
        if before[0][0] == 0:
            self._families.shelf.trim(self._busy())

    def _preview(self, job: RunningJob, family: Family, now: float) -> None:
        kind = job.task.plan[job.task.stage_index].kind
        if not job.request.previews or kind is not StageKind.DENOISING or job.task.stage_step == 0:
            return
        if now - job.last_preview >= PREVIEW_INTERVAL_S:
            job.last_preview = now
            try:
                preview = family.preview(job.task)
            except Exception:
                # A rough picture is not worth a job, let alone the device's thread.
                log.exception("preview failed", job=job.name)
                job.last_preview = math.inf
                return
            if preview is not None:
                job.previewed(preview)

    def _put_aside(self, job: RunningJob, work: Callable[[], Task]) -> None:
        def swap() -> None:
            job.task.aside = None
            job.task = work()

        job.phase = Phase.PREPARING
        self._pool.submit(swap).add_done_callback(
            lambda done: self._inbox.put(lambda: self._prepared(job, done))
        )

    def _finish(self, job: RunningJob) -> None:
        job.phase = Phase.FINISHING
        self._pool.submit(finish_job, job).add_done_callback(
            lambda done: self._inbox.put(lambda: self._finished(job, done))
        )

    def _prepare(self, job: RunningJob) -> None:
        # Two threads that import these libraries at the same time get half-made modules.
        self._imports.result()
        prepare_job(self._families, job)

    def _prepared(self, job: RunningJob, done: Future[None]) -> None:
        if job.ended or done.cancelled():
            return
        error = done.exception()
        if error is not None:
            self._end(job, job.failed(_logged(error, job)))
        elif not job.cancelled:
            job.phase = Phase.ACTIVE
            job.planned()
            if job.task.ready_to_finish:
                self._finish(job)

    def _finished(self, job: RunningJob, done: Future[worker_service_pb2.Finished]) -> None:
        error = None if done.cancelled() else done.exception()
        if job.cancelled:
            job.discard_outputs()
            self._end(job, job.was_cancelled())
        elif error is not None:
            job.discard_outputs()
            self._end(job, job.failed(_logged(error, job)))
        else:
            job.task.stage_step += 1
            job.stepped(job.task.stage_index)
            self._end(job, worker_service_pb2.RunJobResponse(finished=done.result()))

    def _drop_cancelled(self) -> None:
        with self._lock:
            jobs = [job for job in self._jobs.values() if job.cancelled]
        for job in jobs:
            # What is being written is taken back when the writer is done.
            if job.phase is not Phase.FINISHING:
                self._end(job, job.was_cancelled())

    def _end(self, job: RunningJob, event: worker_service_pb2.RunJobResponse) -> None:
        with self._lock:
            self._jobs.pop(job.name, None)
        job.end(event)
        self._keeper.ended(job.request.model.name, self._busy())

    def _busy(self) -> set[str]:
        """Models of the jobs that are here."""
        with self._lock:
            return {job.request.model.name for job in self._jobs.values()}


def _settle(future: Future[Value], function: Callable[[], Value]) -> None:
    try:
        result = function()
    except Exception as error:
        log.exception("command failed")
        future.set_exception(error)
    else:
        future.set_result(result)


def _guarded(step: Callable[[], None], group: Sequence[RunningJob]) -> UnderpaintError | None:
    try:
        step()
    except UnderpaintError as error:
        return error
    except Exception as error:
        log.exception("step failed", jobs=[job.name for job in group])
        return _known(error)
    return None


def _logged(error: BaseException, job: RunningJob) -> UnderpaintError:
    known = _known(error)
    if isinstance(known, InternalError):
        log.error("job failed", job=job.name, exc_info=error)
    return known


def _known(error: BaseException) -> UnderpaintError:
    """Any exception as one of ours."""
    if isinstance(error, UnderpaintError):
        return error
    if is_out_of_memory(error):
        return OutOfMemory(
            "The device has too little memory for this job. Choose a smaller picture or a smaller model, or "
            f"unload other models. ({error})"
        )
    if isinstance(error, ImportError):
        return EngineMissing(
            f"The engine's libraries cannot be imported ({error}). Install them beside the daemon: "
            "pip install 'underpaint[engine]'."
        )
    return InternalError(
        f"The engine failed: {type(error).__name__}: {error}. The worker's log has the traceback; please "
        "report it."
    )


def _import_libraries() -> None:
    import transformers.models.clip.modeling_clip
    import transformers.models.clip.tokenization_clip  # noqa: F401
