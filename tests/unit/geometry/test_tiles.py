"""Tiles cover every pixel, share what they shall, and their weights add up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from underpaint.geometry import Span, shares, spans


@given(st.integers(1, 700), st.integers(8, 128), st.data(), st.booleans(), st.booleans())
def test_every_pixel_is_covered_and_weights_add_up_to_one(
    length: int, tile: int, data: st.DataObject, wrap: bool, closed: bool
) -> None:
    overlap = data.draw(st.integers(0, (tile - 1) // 2))
    assert shared(length, tile, overlap, wrap=wrap, closed=closed) == pytest.approx([1.0] * length)


def test_a_tile_as_long_as_a_closed_line_of_several_passes_over_into_the_next() -> None:
    assert shared(40, 40, 18, wrap=True, closed=False) == pytest.approx([1.0] * 40)


def shared(length: int, tile: int, overlap: int, *, wrap: bool, closed: bool) -> list[float]:
    """What the tiles' weights add up to at each pixel."""
    tiles = spans(length, tile, overlap, wrap=wrap, closed=closed)
    total = [0.0] * length
    for index, span in enumerate(tiles):
        assert span.length <= tile
        weights = shares(tiles, index, length, overlap, wrap=wrap)
        assert len(weights) == span.length and 0.0 <= min(weights) <= max(weights) <= 1.0
        assert wrap or (span.start >= 0 and span.stop <= length)
        for pixel, weight in zip(range(span.start, span.stop), weights, strict=True):
            total[pixel % length] += weight
    return total


@given(st.integers(1, 700), st.integers(8, 128), st.data(), st.booleans())
def test_neighbours_share_the_overlap_at_least(
    length: int, tile: int, data: st.DataObject, wrap: bool
) -> None:
    overlap = data.draw(st.integers(0, (tile - 1) // 2))
    tiles = spans(length, tile, overlap, wrap=wrap)
    for one, other in zip(tiles, tiles[1:], strict=False):
        assert one.start < other.start and one.stop - other.start >= overlap
    if wrap:
        assert tiles[-1].stop - (tiles[0].start + length) >= overlap


def test_a_line_no_longer_than_a_tile_is_one_tile() -> None:
    assert spans(60, 64, 16) == (Span(0, 60),)
    assert spans(60, 64, 16, wrap=True, closed=True) == (Span(0, 60),)
    assert spans(30, 64, 16, wrap=True) == (Span(-16, 46),)
    assert [span.start for span in spans(100, 64, 16)] == [0, 36]
    assert [span.start for span in spans(100, 64, 16, wrap=True)] == [0, 33, 67]


def test_an_overlap_of_half_a_tile_is_refused() -> None:
    with pytest.raises(ValueError, match="overlap of 32 px"):
        spans(100, 64, 32)
