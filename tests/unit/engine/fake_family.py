"""A family whose steps are told what to do by the prompt: for the loop's own tests."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from underpaint.engine.family import Assignment, Picture, Task
from underpaint.engine.residency import Shelf
from underpaint.errors import InvalidRequest, ModelUnusable
from underpaint.types import PixelFormat, PlannedStage, Preview, StageKind
from underpaint.worker_v1 import worker_service_pb2


class FakeFamily:
    """Takes `spec.steps` steps. Prompts: "break", "crash", "memory" fail; "hold" waits for `release`.

    "crowd" has memory for one task at a time. "aside" waits for `release` beside the device after its first
    step, and takes its steps anew then; "aside, broken" fails there.
    """

    steps_taken: list[tuple[str, ...]] = []
    release = threading.Event()
    holding = threading.Event()

    def __init__(self, source: worker_service_pb2.ModelSource, shelf: Shelf, device: str, dtype: str) -> None:
        if source.path == "unusable":
            raise ModelUnusable("The model is broken. Replace it.")
        self.loaded = True

    def prepare(self, assignment: Assignment) -> Task:
        if assignment.spec.prompt == "refuse":
            raise InvalidRequest("No.")
        stages = (
            PlannedStage(StageKind.DENOISING, assignment.spec.steps),
            PlannedStage(StageKind.POST_PROCESSING),
        )
        return Task(job=assignment.job, plan=stages, resolved=assignment.spec)

    def bucket(self, task: Task) -> Hashable:
        return task.resolved.scheduler

    def batch_limit(self, task: Task) -> int:
        return 3

    def step(self, tasks: Sequence[Task]) -> None:
        prompts = {task.resolved.prompt for task in tasks}
        if "break" in prompts:
            raise ModelUnusable("Broken in mid-job. Replace it.")
        if "crash" in prompts:
            raise ZeroDivisionError("nobody thought of this")
        if "memory" in prompts:
            raise MemoryError
        if "crowd" in prompts and len(tasks) > 1:
            raise MemoryError
        if "hold" in prompts:
            self.holding.set()
            assert self.release.wait(300)
        self.steps_taken.append(tuple(task.job for task in tasks))
        for task in tasks:
            task.denoiser_calls += 1
            task.advance()
            if task.resolved.prompt.startswith("aside") and task.stage_step == 1 and not task.notes:
                task.aside = partial(self._elsewhere, task)

    def _elsewhere(self, task: Task) -> Task:
        self.holding.set()
        assert self.release.wait(300)
        if "broken" in task.resolved.prompt:
            raise InvalidRequest("Not after all.")
        stages = (PlannedStage(StageKind.DENOISING, 2), task.plan[-1])
        return replace(task, plan=stages, stage_step=0, notes=["anew"])

    def preview(self, task: Task) -> Preview | None:
        if task.resolved.prompt == "blind":
            raise ZeroDivisionError("nobody can look at this")
        return Preview(task.stage_step, 1, 1, b"\0\0\0")

    def finish(self, task: Task) -> Sequence[Picture]:
        return [Picture(np.zeros((2, 3, 4), np.uint8), PixelFormat(), 5, 6)]

    def weights(self) -> Mapping[str, str]:
        return {"unet/x.safetensors": "00"}

    def load(self) -> None:
        self.loaded = True
