"""From a worker's plan and steps to the share of a job that is done."""

from __future__ import annotations

from collections.abc import Sequence

from underpaint.v1.job_service_pb2 import (
    STAGE_KIND_DECODING,
    STAGE_KIND_DENOISING,
    STAGE_KIND_ENCODING_IMAGE,
    STAGE_KIND_ENCODING_TEXT,
    STAGE_KIND_LOADING,
    STAGE_KIND_POST_PROCESSING,
    STAGE_KIND_PREPROCESSING,
    STAGE_KIND_UPSCALING,
    PlannedStage,
)

# In units of one denoising step; how the time is shared on the machines that it was measured on.
WEIGHTS = {
    STAGE_KIND_LOADING: 3.0,
    STAGE_KIND_ENCODING_TEXT: 0.5,
    STAGE_KIND_ENCODING_IMAGE: 1.0,
    STAGE_KIND_DENOISING: 1.0,
    STAGE_KIND_DECODING: 1.5,
    STAGE_KIND_POST_PROCESSING: 0.5,
    STAGE_KIND_PREPROCESSING: 1.0,
    STAGE_KIND_UPSCALING: 1.0,
}
# Only a job whose result is spooled is at 1.0.
CEILING = 0.99


def fraction(plan: Sequence[PlannedStage], stage_index: int, step: int) -> float:
    """Share done when `step` steps of stage `stage_index` are: 0.0 to 0.99."""
    weights = [_weight(stage) for stage in plan]
    total = sum(weights)
    if total <= 0 or not 0 <= stage_index < len(plan):
        return 0.0
    steps = max(1, plan[stage_index].steps)
    done = sum(weights[:stage_index]) + weights[stage_index] * min(step, steps) / steps
    return min(CEILING, done / total)


def _weight(stage: PlannedStage) -> float:
    each = WEIGHTS.get(stage.kind, 1.0)
    counted = stage.kind in (STAGE_KIND_DENOISING, STAGE_KIND_UPSCALING)
    return each * max(1, stage.steps) if counted else each
