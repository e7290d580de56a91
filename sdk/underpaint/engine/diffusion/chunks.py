"""A long prompt in chunks that a text encoder can take, cut where it hurts least."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

COMMA_REACH = 20
"""Tokens that a chunk may stay short of its length to end behind a comma."""
_WORD_END = "</w>"


@dataclass(frozen=True, slots=True)
class Token:
    """A token of a prompt; `name` as the tokenizer spells it, with `</w>` at a word's end."""

    number: int
    name: str
    weight: float = 1.0


Chunk: TypeAlias = Sequence[Token]


def split(tokens: Sequence[Token], length: int) -> list[Chunk]:
    """Tokens in chunks of at most `length`, in order; one empty chunk for none.

    A chunk that must be cut ends behind its last comma, if that is near; else behind a word; else anywhere.
    """
    chunks: list[Chunk] = []
    start = 0
    while len(tokens) - start > length:
        end = start + _cut(tokens[start : start + length])
        chunks.append(tokens[start:end])
        start = end
    return [*chunks, tokens[start:]]


def _cut(tokens: Sequence[Token]) -> int:
    """How many of a full chunk's tokens stay in it."""
    ends = [index for index, token in enumerate(tokens, 1) if token.name.endswith(_WORD_END)]
    commas = [index for index in ends if tokens[index - 1].name == f",{_WORD_END}"]
    if commas and commas[-1] >= len(tokens) - COMMA_REACH:
        return commas[-1]
    return ends[-1] if ends else len(tokens)
