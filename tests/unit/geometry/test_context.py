from __future__ import annotations

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from underpaint.errors import InvalidRequest
from underpaint.geometry import fill_window, mask_plan
from underpaint.geometry.context import MAX_ASPECT, MAX_ZOOM
from underpaint.types import Bounds

K = Bounds(0, 0, 1024, 1024)


@pytest.mark.parametrize(
    ("selection", "canvas", "native", "expected"),
    [
        # A small selection gets the native size around it, pixel for pixel.
        (Bounds(500, 500, 20, 20), K, 512, Bounds(254, 254, 512, 512)),
        # At the canvas's edge the context is shifted, not cut.
        (Bounds(0, 0, 20, 20), K, 512, Bounds(0, 0, 512, 512)),
        (Bounds(1000, 4, 24, 24), K, 512, Bounds(512, 0, 512, 512)),
        # A canvas smaller than the model is taken whole.
        (Bounds(10, 10, 20, 20), Bounds(0, 0, 100, 70), 512, Bounds(0, 0, 100, 70)),
        # At full strength half the mean side is added on each side.
        (Bounds(2000, 2000, 1000, 1000), Bounds(0, 0, 8000, 8000), 512, Bounds(1500, 1500, 2000, 2000)),
        # A strip grows towards a square, but not into one.
        (Bounds(500, 2000, 3000, 100), Bounds(0, 0, 8000, 8000), 512, Bounds(0, 530, 4552, 3040)),
        # What hangs over the canvas does not count.
        (Bounds(-500, -500, 600, 600), K, 256, Bounds(0, 0, 256, 256)),
    ],
)
def test_the_context_of_a_selection(selection: Bounds, canvas: Bounds, native: int, expected: Bounds) -> None:
    assert fill_window(selection, canvas, native_size=native, size_multiple=8) == expected


def test_less_strength_needs_less_context() -> None:
    selection, canvas = Bounds(4000, 4000, 1000, 1000), Bounds(0, 0, 9000, 9000)
    sizes = [
        fill_window(selection, canvas, native_size=512, size_multiple=8, strength=strength).width
        for strength in (0.2, 0.6, 1.0)
    ]
    assert sizes == sorted(sizes) and sizes[0] < sizes[2]


def test_a_selection_outside_the_canvas_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="outside the canvas"):
        fill_window(Bounds(2000, 0, 10, 10), K, native_size=512, size_multiple=8)


selections = st.builds(
    Bounds, st.integers(0, 400), st.integers(0, 400), st.integers(1, 500), st.integers(1, 500)
)
strengths = st.floats(0.05, 1.0)
natives = st.sampled_from([64, 256, 512, 768, 1024])


@given(
    selections,
    st.integers(16, 3000),
    st.integers(16, 3000),
    natives,
    st.sampled_from([1, 8, 32, 64]),
    strengths,
    st.one_of(st.none(), st.floats(0, 300)),
)
def test_it_lies_in_the_canvas_and_holds_the_selection(
    selection: Bounds,
    width: int,
    height: int,
    native: int,
    multiple: int,
    strength: float,
    feather: float | None,
) -> None:
    canvas = Bounds(-7, 11, width, height)
    visible = selection.intersect(canvas)
    if visible.is_empty:
        return
    window = fill_window(
        selection, canvas, native_size=native, size_multiple=multiple, strength=strength, feather=feather
    )
    assert canvas.contains(window)
    assert window.contains(visible)
    for side, room in ((window.width, width), (window.height, height)):
        assert side >= min(native, room)
        assert side % multiple == 0 or side == room
    longest = max(visible.width, visible.height)
    assert max(window.width, window.height) < max(native, MAX_ZOOM * longest) + multiple


@given(selections, natives, strengths)
def test_on_a_roomy_canvas_it_is_near_a_square_and_pads_the_mask(
    selection: Bounds, native: int, strength: float
) -> None:
    canvas = Bounds(-20000, -20000, 40000, 40000)
    window = fill_window(selection, canvas, native_size=native, size_multiple=8, strength=strength)
    assert max(window.width, window.height) <= math.ceil(MAX_ASPECT * min(window.width, window.height)) + 8
    pad = mask_plan(selection, strength).pad
    longest = max(native, MAX_ZOOM * max(selection.width, selection.height))
    wanted = min(pad, (longest - max(selection.width, selection.height)) / 2) - 8
    assert selection.x - window.x >= wanted or window.width >= longest - 8
    assert window.right - selection.right >= wanted or window.width >= longest - 8


@given(selections, natives, strengths)
def test_a_larger_canvas_changes_nothing(selection: Bounds, native: int, strength: float) -> None:
    middle = Bounds(8000 + selection.x, 8000 + selection.y, selection.width, selection.height)
    sizes = set()
    for edge in (512, 1024, 4096, 16384):
        canvas = Bounds(8000 - edge, 8000 - edge, 3 * edge + 2000, 3 * edge + 2000)
        window = fill_window(middle, canvas, native_size=native, size_multiple=8, strength=strength)
        if edge >= 4096:
            sizes.add(window)
        assert window.width * window.height <= max(native, MAX_ZOOM * 500 + 8) ** 2
    assert len(sizes) == 1


def test_planning_takes_no_longer_on_a_large_canvas() -> None:
    def microseconds(edge: int) -> float:
        canvas, selection = Bounds(0, 0, edge, edge), Bounds(200, 200, 128, 128)
        best = math.inf
        for _ in range(20):
            # Of this thread alone, and the best of many: other programs do not count.
            start = time.thread_time()
            for _ in range(100):
                fill_window(selection, canvas, native_size=512, size_multiple=8)
            best = min(best, time.thread_time() - start)
        return best

    # A cost that grew with the area would be a thousand times as high.
    assert microseconds(16384) < 20 * microseconds(512)
