"""Names of embeddings in prompts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from underpaint.prompts import split_words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a moss wall", ["a ", "<moss>", " wall"]),
        ("Moss, mossy, moss-green", ["<moss>", ", mossy, moss-green"]),
        ("moss", ["<moss>"]),
        ("dark moss moss", ["<dark moss>", " ", "<moss>"]),
        ("a.b axb", ["<a.b>", " axb"]),
        ("", []),
    ],
)
def test_whole_words_are_found_the_longest_first(text: str, found: list[str]) -> None:
    names = ["moss", "dark moss", "a.b"]
    assert [f"<{name}>" if name else piece for piece, name in split_words(text, names)] == found


@given(st.text(), st.lists(st.text(min_size=1), max_size=4))
def test_the_pieces_add_up(text: str, names: list[str]) -> None:
    assert "".join(piece for piece, _ in split_words(text, names)) == text
