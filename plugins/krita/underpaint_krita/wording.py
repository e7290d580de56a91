# SPDX-License-Identifier: GPL-3.0-or-later
"""What a job's state is called in the docker."""

from __future__ import annotations

from underpaint.host import Task, TaskState
from underpaint.types import JobState, JobUpdate, StageKind

_STAGES = {
    StageKind.LOADING: "Loading the model",
    StageKind.ENCODING_TEXT: "Reading the words",
    StageKind.ENCODING_IMAGE: "Looking at the picture",
    StageKind.DENOISING: "Painting",
    StageKind.DECODING: "Developing the picture",
    StageKind.POST_PROCESSING: "Blending it in",
    StageKind.PREPROCESSING: "Making the control image",
}
_ENDED = {
    TaskState.PLACED: "Done: a new layer is in the picture",
    TaskState.KEPT: "Done, but its picture is closed; the result is kept",
    TaskState.FAILED: "It did not work",
    TaskState.CANCELLED: "Cancelled",
}


def describe(task: Task) -> str:
    """One line for the present moment of a task."""
    if task.state.is_final:
        return _ENDED[task.state]
    if task.cancel_requested:
        return "Cancelling…"
    if task.update is None:
        return "Sending the picture…" if task.state is TaskState.PREPARING else "Starting…"
    return stage_text(task.update)


def stage_text(update: JobUpdate) -> str:
    """One line for a job's stage."""
    if update.state is JobState.QUEUED:
        ahead = update.progress.queue_position
        return f"Waiting: {ahead} before this one" if ahead > 0 else "Waiting for the model…"
    if update.state is JobState.SUCCEEDED:
        return "Bringing it into the picture…"
    stage = update.stage
    if stage is None:
        return "Starting…"
    steps = update.plan[update.progress.stage_index].steps
    words = _STAGES.get(stage) or stage.value.replace("-", " ").capitalize()
    if stage is StageKind.DENOISING and steps > 1:
        return f"{words}, step {min(update.progress.step, steps)} of {steps}"
    return f"{words}…"


def fraction_of(task: Task) -> float:
    """How far a task is, 0.0 to 1.0."""
    if task.state.is_final:
        return 1.0 if task.state in (TaskState.PLACED, TaskState.KEPT) else 0.0
    return task.update.progress.fraction if task.update is not None else 0.0


def seed_of(task: Task) -> str:
    """The seed that was used, "" while nobody knows."""
    seed = task.update.resolved.get("seed") if task.update is not None else None
    return str(seed) if seed not in (None, "") else ""
