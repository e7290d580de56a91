"""What a model family implements: prepare → step → finish.

The worker's loop knows jobs, priorities and cancellation; a family knows models. The loop calls `step` with
all tasks of one bucket and looks for cancellations in between, so one step is at most one forward pass of
one network.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from underpaint.engine.pixels import Raster
from underpaint.engine.residency import Shelf
from underpaint.types import PixelFormat, PlannedStage, Preview
from underpaint.v1 import job_service_pb2
from underpaint.worker_v1 import worker_service_pb2


@dataclass(frozen=True)
class Assignment:
    """A job as a family gets it."""

    job: str
    spec: job_service_pb2.JobSpec
    inputs: Mapping[str, Raster]
    """Mapped pixels by the name under which the specification refers to them."""
    postprocessors: tuple[worker_service_pb2.PluginFunction, ...] = ()
    """To run on the finished picture; `plan_image` and `finish_picture` see to it."""
    check: Callable[[], None] = lambda: None
    """Raises `JobCancelled` if the job was cancelled. Any thread."""
    controls: tuple[worker_service_pb2.ControlSource, ...] = ()
    """One for each of the specification's controls; `underpaint.engine.controls` sees to them."""
    loras: tuple[worker_service_pb2.LoraSource, ...] = ()
    """One for each of the specification's LoRAs; `underpaint.engine.loras` sees to them."""
    embeddings: tuple[worker_service_pb2.EmbeddingSource, ...] = ()
    """Embeddings that the prompts name; `underpaint.engine.embeddings` sees to them."""
    folder: Path | None = None
    """Where results go. A family may write one there as it is made, see `Picture.file`; None: nowhere yet."""


@dataclass(frozen=True)
class Picture:
    """A finished picture, encoded: samples `(height, width, channels)`, first row of its format first."""

    samples: npt.NDArray[np.generic]
    format: PixelFormat
    x: int
    y: int
    file: Path | None = None
    """Where the samples lie on disk already, in `Assignment.folder`; they are a map of it then."""


@dataclass(kw_only=True)
class Task:
    """One job's way through a family. Families extend it; the loop only reads.

    Stages are worked off in order; the last one is what `Family.finish` does, post-processing for pictures.
    """

    job: str
    plan: tuple[PlannedStage, ...]
    resolved: job_service_pb2.JobSpec
    """The specification as it is carried out, every default filled in."""
    notes: list[str] = field(default_factory=list)
    stage_index: int = 0
    stage_step: int = 0
    """Steps of the present stage that are done."""
    denoiser_calls: int = 0
    aside: Callable[[], Task] | None = None
    """Something slow that needs no device: the next step waits for it. It gives the task to go on with, this
    one or another one in its place. Any thread; raises what `Family.prepare` does."""

    @property
    def ready_to_finish(self) -> bool:
        """Whether only `Family.finish` is left."""
        return self.stage_index >= len(self.plan) - 1

    def advance(self) -> None:
        """Counts one step of the present stage and goes on to the next stage after its last."""
        self.stage_step += 1
        if self.stage_step >= self.plan[self.stage_index].steps and not self.ready_to_finish:
            self.stage_index += 1
            self.stage_step = 0


class Family(Protocol):
    """One model of a family. The class is named by `FamilyDescriptor.engine`.

    Made with `(source, shelf, device, dtype)`: `device` as torch names it, `dtype` "float32" or "bfloat16".
    The constructor reads small files only and raises `ModelUnusable` for a model that cannot be run.
    """

    def __init__(
        self, source: worker_service_pb2.ModelSource, shelf: Shelf, device: str, dtype: str
    ) -> None: ...

    def prepare(self, assignment: Assignment) -> Task:
        """Checks a job and plans it, without the model's weights. Any thread; several at once.

        Raises `InvalidRequest` or `OperationUnsupported`.
        """

    def bucket(self, task: Task) -> Hashable:
        """Tasks with equal buckets may share their next step. Device thread."""

    def batch_limit(self, task: Task) -> int:
        """How many tasks of this one's bucket are worth one step together, at least 1. Device thread."""

    def step(self, tasks: Sequence[Task]) -> None:
        """The next step of tasks that share a bucket: at most one forward pass. Device thread.

        One that runs out of memory leaves its tasks as they were: it is taken again once there is more. See
        `underpaint.engine.memory.ladder` for what a family may do to need less.
        """

    def preview(self, task: Task) -> Preview | None:
        """A rough picture of the present latents, if there are any. Device thread."""

    def finish(self, task: Task) -> Sequence[Picture]:
        """Colour match, compositing, conversion; no network. Any thread."""

    def weights(self) -> Mapping[str, str]:
        """SHA-256 in hex of the weight files, by path inside the model. Any thread; may take a while."""

    def load(self) -> None:
        """Brings everything into memory. Device thread."""

    @property
    def loaded(self) -> bool:
        """Whether everything is in memory. Any thread."""
