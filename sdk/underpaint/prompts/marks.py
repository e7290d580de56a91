"""The characters of a prompt, told apart: those that mean something, and those that were escaped."""

from __future__ import annotations

import re
from collections.abc import Iterator

MARKS = "()[]{}|<\\"
"""Characters that a backslash makes plain."""
_PIECE = re.compile(r"\\[()\[\]{}|<\\]|[()\[\]{}|]|(?:[^()\[\]{}|\\]|\\(?![()\[\]{}|<\\]))+")


def pieces(prompt: str) -> Iterator[str]:
    """A prompt in pieces that add up to it: a mark alone, an escaped mark, or a run of plain text."""
    for found in _PIECE.finditer(prompt):
        yield found.group()


def unescaped(piece: str) -> str:
    """What a piece says."""
    return piece[1] if len(piece) == 2 and piece[0] == "\\" and piece[1] in MARKS else piece


def escape(text: str) -> str:
    """Text as a prompt that means nothing but it."""
    return re.sub(r"[()\[\]{}|<\\]", r"\\\g<0>", text)
