"""Weights in a prompt: `(word:1.2)`, `(word)` and `[word]`, nested as one likes.

The language that A1111's web UI made common: `(word)` is a weight of 1.1, `[word]` of 1/1.1, and nested ones
multiply. A bracket without its partner is plain text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from underpaint.prompts.marks import pieces, unescaped

STEP = 1.1
"""Weight of plain round brackets; square ones divide by it."""
MAX_WEIGHT = 10.0
"""Larger weights, and products of weights, are taken for this one."""
_NUMBER = re.compile(r":\s*(\d+(?:\.\d*)?|\.\d+)\s*$", re.ASCII)
_PARTNER = {")": "(", "]": "["}


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a prompt and how much it counts; 1.0 is as written, 0.0 not at all."""

    text: str
    weight: float = 1.0


def parse(prompt: str) -> tuple[Span, ...]:
    """The parts of a prompt in order, escapes undone; neighbours differ in weight. Takes any text."""
    parts = list(pieces(prompt))
    partners = _partners(parts)
    spans: list[Span] = []
    weights = [1.0]
    for index, piece in enumerate(parts):
        partner = partners.get(index)
        if partner is None:
            _append(spans, unescaped(piece), weights[-1])
        elif partner > index:
            number = _NUMBER.search(parts[partner - 1]) if piece == "(" and partner - 1 > index else None
            factor = float(number[1]) if number else STEP if piece == "(" else 1.0 / STEP
            weights.append(min(weights[-1] * factor, MAX_WEIGHT))
            if number:
                parts[partner - 1] = parts[partner - 1][: number.start()]
        else:
            weights.pop()
    return tuple(spans)


def plain(prompt: str) -> str:
    """A prompt's words alone, without weights."""
    return "".join(span.text for span in parse(prompt))


def _partners(parts: Sequence[str]) -> dict[int, int]:
    """For each bracket that has a partner, where that is."""
    partners: dict[int, int] = {}
    stack: list[int] = []
    waiting = {"(": 0, "[": 0}
    for index, piece in enumerate(parts):
        if piece in waiting:
            stack.append(index)
            waiting[piece] += 1
        elif piece in _PARTNER and waiting[_PARTNER[piece]]:
            # Brackets left open in between have no partner.
            while True:
                opened = stack.pop()
                waiting[parts[opened]] -= 1
                if parts[opened] == _PARTNER[piece]:
                    break
            partners[opened], partners[index] = index, opened
    return partners


def _append(spans: list[Span], text: str, weight: float) -> None:
    if not text:
        return
    if spans and spans[-1].weight == weight:
        text = spans.pop().text + text
    spans.append(Span(text, weight))
