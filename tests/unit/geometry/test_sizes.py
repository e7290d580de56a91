from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from underpaint.geometry import Size, size_plan


@pytest.mark.parametrize(
    ("target", "initial", "desired"),
    [
        ((512, 512), (512, 512), (512, 512)),
        ((512, 768), (512, 768), (512, 768)),
        # Not on the grid: computed beside it.
        ((500, 700), (496, 704), (496, 704)),
        # Larger than the model likes: painted small, refined large.
        ((1024, 1024), (512, 512), (1024, 1024)),
        ((2000, 1000), (728, 360), (2000, 1000)),
        # Larger than the model can: computed at its limit.
        ((8192, 8192), (512, 512), (2048, 2048)),
        ((8192, 1024), (2048, 256), (2048, 256)),
        # Smaller than the model can paint: painted at its own size, shrunk later.
        ((64, 64), (512, 512), (512, 512)),
        ((20, 200), (160, 1616), (160, 1616)),
    ],
)
def test_four_sizes(target: tuple[int, int], initial: tuple[int, int], desired: tuple[int, int]) -> None:
    plan = size_plan(Size(*target), native_size=512, size_multiple=8, min_size=64, max_size=2048)
    assert plan.input == plan.target == target
    assert (plan.initial, plan.desired) == (initial, desired)
    assert plan.two_passes == (initial != desired)


def test_a_small_picture_that_was_asked_for_as_such_is_painted_small() -> None:
    limits = {"native_size": 512, "size_multiple": 8, "min_size": 64, "max_size": 2048}
    plan = size_plan(Size(128, 192), **limits, enlarge=False)
    assert plan.initial == plan.desired == (128, 192)
    assert size_plan(Size(40, 80), **limits, enlarge=False).desired == (64, 128)


@given(
    st.integers(1, 20000),
    st.integers(1, 20000),
    st.sampled_from([64, 256, 512, 1024]),
    st.sampled_from([8, 16, 64]),
)
def test_computed_sizes_are_within_the_models_limits(
    width: int, height: int, native: int, multiple: int
) -> None:
    plan = size_plan(
        Size(width, height), native_size=native, size_multiple=multiple, min_size=64, max_size=4 * native
    )
    for size in (plan.initial, plan.desired):
        for side in size:
            assert side % multiple == 0
            assert 64 <= side <= 4 * native
    assert plan.initial.width * plan.initial.height <= plan.desired.width * plan.desired.height
