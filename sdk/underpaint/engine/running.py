"""A job inside the worker: where it is, and what it tells."""

from __future__ import annotations

import enum
import itertools
import threading
import time
from collections.abc import Callable
from pathlib import Path

from underpaint.engine.family import Family, Task
from underpaint.errors import JobCancelled, UnderpaintError
from underpaint.types import Preview
from underpaint.v1 import job_service_pb2
from underpaint.wire.jobs import STAGE_KINDS, preview_to_message
from underpaint.wire.status import error_to_status
from underpaint.worker_v1 import worker_service_pb2

Sink = Callable[[worker_service_pb2.RunJobResponse], None]

AGEING_S = 2.0
"""A batch job that was not served for so long is treated like an interactive one."""

_order = itertools.count()


class Phase(enum.Enum):
    """Who has the job."""

    PREPARING = "preparing"
    ACTIVE = "active"
    FINISHING = "finishing"


class RunningJob:
    """A job's state. The device's thread owns it; `cancel` may come from any thread."""

    family: Family
    """Set by preparation, as is `task`."""
    task: Task

    def __init__(self, request: worker_service_pb2.RunJobRequest, sink: Sink) -> None:
        self.request = request
        self.name = request.job
        self.live = request.priority == job_service_pb2.PRIORITY_LIVE
        self.order = next(_order)
        self.phase = Phase.PREPARING
        self.last_tick = 0
        self.last_time = time.monotonic()
        self.last_preview = 0.0
        self.written: list[Path] = []
        self.cancelled = False
        self.ended = False
        self._sink = sink
        self._calls_at_cancel = 0
        self._lock = threading.Lock()

    def rank(self, now: float) -> int:
        """0 for live, 1 for interactive, 2 for batch; batch rises with waiting, never to live."""
        if self.live:
            return 0
        if self.request.priority != job_service_pb2.PRIORITY_BATCH or now - self.last_time > AGEING_S:
            return 1
        return 2

    def cancel(self) -> None:
        """Marks the job and remembers how many denoiser calls it had."""
        with self._lock:
            if not self.cancelled:
                self._calls_at_cancel = self._calls()
                self.cancelled = True

    def check(self) -> None:
        """Raises `JobCancelled` if somebody cancelled. Any thread."""
        if self.cancelled:
            raise JobCancelled("The job was cancelled.")

    def planned(self) -> None:
        """Tells the stages to expect."""
        stages = [
            job_service_pb2.PlannedStage(kind=STAGE_KINDS[stage.kind], steps=stage.steps)
            for stage in self.task.plan
        ]
        self._send(worker_service_pb2.RunJobResponse(planned=worker_service_pb2.Planned(stages=stages)))

    def stepped(self, stage: int) -> None:
        """Tells that a step of `stage` is done."""
        task = self.task
        step = task.stage_step if task.stage_index == stage else task.plan[stage].steps
        self._send(
            worker_service_pb2.RunJobResponse(
                stepped=worker_service_pb2.Stepped(stage_index=stage, step=step)
            )
        )

    def previewed(self, preview: Preview) -> None:
        """Shows a rough picture."""
        self._send(worker_service_pb2.RunJobResponse(preview=preview_to_message(preview)))

    def failed(self, error: UnderpaintError) -> worker_service_pb2.RunJobResponse:
        """The final event of a failed job."""
        return worker_service_pb2.RunJobResponse(failed=error_to_status(error))

    def was_cancelled(self) -> worker_service_pb2.RunJobResponse:
        """The final event of a cancelled job."""
        after = self._calls() - self._calls_at_cancel
        return worker_service_pb2.RunJobResponse(
            cancelled=worker_service_pb2.Cancelled(denoiser_calls_after=after)
        )

    def end(self, event: worker_service_pb2.RunJobResponse) -> None:
        """Sends the final event, once."""
        with self._lock:
            if self.ended:
                return
            self.ended = True
        self._sink(event)

    def discard_outputs(self) -> None:
        """Removes what was written so far."""
        for path in self.written:
            path.unlink(missing_ok=True)

    def _calls(self) -> int:
        task = getattr(self, "task", None)
        return task.denoiser_calls if task is not None else 0

    def _send(self, event: worker_service_pb2.RunJobResponse) -> None:
        if not self.ended:
            self._sink(event)
