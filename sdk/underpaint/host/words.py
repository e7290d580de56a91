"""What a job does, in a few words for a progress bar: the same in every host."""

from __future__ import annotations

from underpaint.types import JobState, JobUpdate


def describe(update: JobUpdate | None) -> str:
    """For example "Denoising 3/10", "Queued, 2 ahead", "Loading"; None means that nothing is known yet."""
    if update is None:
        return "Starting"
    if update.state is JobState.QUEUED:
        ahead = update.progress.queue_position
        return f"Queued, {ahead} ahead" if ahead else "Queued"
    stage = update.stage
    if stage is None:
        return str(update.state.value).capitalize()
    steps = update.plan[update.progress.stage_index].steps
    name = stage.value.replace("-", " ").capitalize()
    return f"{name} {update.progress.step}/{steps}" if steps > 1 else name
