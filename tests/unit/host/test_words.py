"""What a progress bar says."""

from __future__ import annotations

import pytest

from underpaint.host import describe
from underpaint.types import JobState, JobUpdate, PlannedStage, Progress, StageKind

PLAN = (PlannedStage(StageKind.LOADING), PlannedStage(StageKind.DENOISING, 10))


@pytest.mark.parametrize(
    ("state", "progress", "expected"),
    [
        (JobState.QUEUED, Progress(queue_position=2), "Queued, 2 ahead"),
        (JobState.QUEUED, Progress(), "Queued"),
        (JobState.RUNNING, Progress(stage_index=0), "Loading"),
        (JobState.RUNNING, Progress(stage_index=1, step=3), "Denoising 3/10"),
        (JobState.RUNNING, Progress(stage_index=9), "Running"),
        (JobState.SUCCEEDED, Progress(stage_index=1), "Succeeded"),
    ],
)
def test_a_progress_bar_names_the_stage(state: JobState, progress: Progress, expected: str) -> None:
    assert describe(JobUpdate("jobs/1", state, 1, plan=PLAN, progress=progress)) == expected


def test_before_the_first_update_it_says_so() -> None:
    assert describe(None) == "Starting"
