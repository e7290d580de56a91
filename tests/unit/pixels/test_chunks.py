"""Pixels in pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from underpaint.errors import BlobStateError
from underpaint.pixels.chunks import CHUNK, Assembly, chunks


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_pieces_put_together_are_the_whole(size: int) -> None:
    whole = bytes(range(256)) * (size // 256) + bytes(size % 256)
    target = bytearray(size)
    assembly = Assembly(memoryview(target))
    for piece in chunks(whole):
        assert 0 < len(piece) <= CHUNK
        assembly.add(assembly.done, piece)
    assembly.finish()
    assert target == whole


def test_a_float_buffer_is_cut_by_bytes() -> None:
    floats = memoryview(bytes(CHUNK * 2)).cast("f")
    assert [len(piece) for piece in chunks(floats)] == [CHUNK, CHUNK]


@given(st.integers(0, 20), st.integers(0, 20))
def test_a_gap_or_an_overlap_is_refused(first: int, second: int) -> None:
    assembly = Assembly(memoryview(bytearray(100)))
    assembly.add(0, bytes(first))
    if second == first:
        assembly.add(second, b"x")
        return
    with pytest.raises(BlobStateError, match="in order"):
        assembly.add(second, b"x")


def test_too_much_and_too_little_are_refused() -> None:
    assembly = Assembly(memoryview(bytearray(4)))
    assembly.add(0, b"abc")
    with pytest.raises(BlobStateError, match="3 of 4"):
        assembly.finish()
    with pytest.raises(BlobStateError, match="5 bytes arrived"):
        assembly.add(3, b"de")
