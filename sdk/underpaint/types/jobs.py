"""Jobs as they are told about."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from underpaint.errors import UnderpaintError
from underpaint.types.pixels import PixelFormat
from underpaint.types.requests import JobOrigin


class JobState(enum.Enum):
    """Where a job is in its life."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether it stays so."""
        return self not in (JobState.QUEUED, JobState.RUNNING)


class StageKind(enum.Enum):
    """What a worker does with a job."""

    LOADING = "loading"
    ENCODING_TEXT = "encoding-text"
    ENCODING_IMAGE = "encoding-image"
    DENOISING = "denoising"
    DECODING = "decoding"
    POST_PROCESSING = "post-processing"
    PREPROCESSING = "preprocessing"
    UPSCALING = "upscaling"


@dataclass(frozen=True, slots=True)
class PlannedStage:
    """One stage that a job will go through, in `steps` steps (at least 1)."""

    kind: StageKind
    steps: int = 1


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is; `fraction` runs from 0.0 to 1.0 and never falls."""

    queue_position: int = 0
    stage_index: int = 0
    step: int = 0
    fraction: float = 0.0


@dataclass(frozen=True, slots=True)
class ResultRef:
    """A finished picture that still lies in the daemon."""

    blob: str
    width: int
    height: int
    format: PixelFormat
    x: int
    y: int
    stride: int
    sha256: str


@dataclass(frozen=True, slots=True)
class JobUpdate:
    """A job as it was at `sequence`."""

    name: str
    state: JobState
    sequence: int
    origin: JobOrigin = JobOrigin()
    plan: tuple[PlannedStage, ...] = ()
    progress: Progress = Progress()
    results: tuple[ResultRef, ...] = ()
    error: UnderpaintError | None = None
    notes: tuple[str, ...] = ()
    resolved: Mapping[str, object] = field(default_factory=dict)
    """The specification with every default filled in, as JSON-like values with the protocol's names."""
    model_sha256: Mapping[str, str] = field(default_factory=dict)
    engine_version: str = ""
    created: datetime | None = None
    ended: datetime | None = None

    @property
    def stage(self) -> StageKind | None:
        """What the worker does now."""
        index = self.progress.stage_index
        return self.plan[index].kind if self.state is JobState.RUNNING and index < len(self.plan) else None


@dataclass(frozen=True, slots=True)
class Preview:
    """A rough picture of the present latents: RGB, u8, sRGB, top row first, at most 256 px an edge."""

    step: int
    width: int
    height: int
    rgb: bytes
