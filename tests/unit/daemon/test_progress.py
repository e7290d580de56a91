from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from underpaint.daemon.progress import CEILING, fraction
from underpaint.v1.job_service_pb2 import (
    STAGE_KIND_DECODING,
    STAGE_KIND_DENOISING,
    STAGE_KIND_LOADING,
    PlannedStage,
)

PLANS = st.lists(
    st.builds(PlannedStage, kind=st.integers(1, 6), steps=st.integers(1, 50)), min_size=1, max_size=8
)


@given(PLANS)
def test_the_share_never_falls_and_never_reaches_one(plan: list[PlannedStage]) -> None:
    shares = [
        fraction(plan, index, step) for index, stage in enumerate(plan) for step in range(stage.steps + 1)
    ]
    assert shares == sorted(shares)
    assert shares[0] == 0.0
    assert shares[-1] == CEILING


def test_denoising_steps_weigh_alike_and_most() -> None:
    plan = [
        PlannedStage(kind=STAGE_KIND_LOADING, steps=1),
        PlannedStage(kind=STAGE_KIND_DENOISING, steps=20),
        PlannedStage(kind=STAGE_KIND_DECODING, steps=1),
    ]
    first, second, last = (fraction(plan, 1, step) for step in (1, 2, 20))
    assert abs((last - first) / (second - first) - 19) < 1e-6
    assert last - fraction(plan, 1, 0) > 0.75


def test_a_step_outside_the_plan_counts_nothing() -> None:
    assert fraction([], 0, 1) == 0.0
    assert fraction([PlannedStage(kind=STAGE_KIND_DENOISING, steps=2)], 5, 1) == 0.0
