from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from underpaint.errors import InvalidRequest
from underpaint.geometry import mask_plan
from underpaint.types import Bounds


@pytest.mark.parametrize(
    ("side", "strength", "feather"),
    [
        # A quarter of the diagonal is the most for small selections.
        (10, 1.0, 0.25 * math.hypot(10, 10)),
        # 32 px in the middle.
        (200, 1.0, 32.0),
        (200, 0.5, 16.0),
        # A tenth of the diagonal for large ones.
        (1000, 1.0, 0.1 * math.hypot(1000, 1000)),
        (1000, 0.5, 0.05 * math.hypot(1000, 1000)),
    ],
)
def test_feather_and_growth_as_documented(side: int, strength: float, feather: float) -> None:
    plan = mask_plan(Bounds(5, 5, side, side), strength)
    assert plan.feather == pytest.approx(feather)
    assert plan.grow == pytest.approx(4 + feather / 2)
    assert plan.pad == pytest.approx(feather + 0.06 * math.hypot(side, side) + 4)


def test_what_the_user_set_is_kept() -> None:
    plan = mask_plan(Bounds(0, 0, 50, 50), 1.0, grow=0.0, feather=40.0)
    assert (plan.grow, plan.feather) == (0.0, 40.0)
    assert mask_plan(Bounds(0, 0, 50, 50), 1.0, feather=10.0).grow == 9.0
    assert mask_plan(Bounds(0, 0, 50, 50), 1.0, grow=300.0).pad == 300.0


@pytest.mark.parametrize(
    ("selection", "strength", "grow", "feather", "fields"),
    [
        (Bounds(0, 0, 0, 5), 1.0, None, None, {"selection"}),
        (Bounds(0, 0, 5, 5), 0.0, None, None, {"strength"}),
        (Bounds(0, 0, 5, 5), math.nan, None, None, {"strength"}),
        (Bounds(0, 0, 5, 5), 1.0, -1.0, math.inf, {"grow", "feather"}),
    ],
)
def test_nonsense_names_its_fields(
    selection: Bounds, strength: float, grow: float | None, feather: float | None, fields: set[str]
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        mask_plan(selection, strength, grow, feather)
    assert {violation.field for violation in caught.value.violations} == fields


@given(st.integers(1, 9000), st.integers(1, 9000), st.floats(0.01, 1.0))
def test_the_soft_edge_stays_within_what_the_growth_added_and_a_little(
    width: int, height: int, strength: float
) -> None:
    plan = mask_plan(Bounds(0, 0, width, height), strength)
    assert 0 < plan.feather <= 0.25 * math.hypot(width, height)
    assert plan.feather / 2 < plan.grow <= plan.pad
