"""Prompts for a model that knows a closed list of words: others become the nearest that it knows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

SMALL_WORD = 3
"""Words of so few letters ("of", "and") are left out without a note, and never taken for misspelt."""
ALIKE = 0.8
"""How alike a misspelt word must be to a known one, 0.0 to 1.0."""
LONGEST = 3
"""Words that are looked up together, at most."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a model is told in place of a prompt."""

    prompt: str
    replaced: Mapping[str, str]
    """What was put for words that the model does not know."""
    dropped: tuple[str, ...]
    """Words that nothing known comes near; they were left out."""

    def notes(self, model: str) -> list[str]:
        """What the user should know of it."""
        found = []
        if self.replaced:
            pairs = ", ".join(f"{put!r} for {word!r}" for word, put in self.replaced.items())
            found.append(f"The model {model!r} does not know all words; it was told {pairs}.")
        if self.dropped:
            found.append(f"The model {model!r} does not know: {', '.join(self.dropped)}.")
        return found


class Vocabulary:
    """The words that a model knows, and which of them come near others.

    known: the words in a list, or in lists by topic. near: from a word, or up to three, to
    words that the model knows. Both in small letters. Immutable: use it from any thread.
    """

    def __init__(self, known: object, near: Mapping[str, str] | None = None) -> None:
        entries = [" ".join(words) for words in map(_words, _texts(known))]
        self._known = frozenset(word for entry in entries for word in entry.split())
        self._near = {key: put for key, put in (near or {}).items() if self._known.issuperset(_words(put))}
        # An entry means itself; a word out of one ("wall" of "brick wall") may come near another.
        self._terms = {**self._near, **{entry: entry for entry in entries}}

    def read(self, prompt: str) -> Reading:
        """A prompt in words that the model knows, in the same order; substitutes are not said twice over."""
        words = _words(prompt)
        told: list[str] = []
        replaced: dict[str, str] = {}
        dropped: dict[str, None] = {}
        while words:
            asked = self._longest(words) or words[0]
            put = self._terms.get(asked, "") or (asked if asked in self._known else self._nearest(asked))
            if put and put != asked:
                replaced[asked] = put
                told += [word for word in _words(put) if word not in told]
            else:
                told += _words(put)
            if not put and len(asked) > SMALL_WORD:
                dropped[asked] = None
            del words[: len(asked.split())]
        return Reading(" ".join(told), replaced, tuple(dropped))

    def _longest(self, words: list[str]) -> str:
        starts = (" ".join(words[:count]) for count in range(LONGEST, 0, -1))
        return next((start for start in starts if start in self._terms), "")

    def _nearest(self, word: str) -> str:
        if len(word) <= SMALL_WORD:
            return ""
        candidates = [known for known in (*self._known, *self._near) if len(known) > SMALL_WORD]
        alike = get_close_matches(word, sorted(candidates), n=1, cutoff=ALIKE)
        return self._near.get(alike[0], alike[0]) if alike else ""


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())


def _texts(known: object) -> Iterator[str]:
    if isinstance(known, str):
        yield known
    elif isinstance(known, Mapping):
        yield from _texts(list(known.values()))
    elif isinstance(known, list):
        for part in known:
            yield from _texts(part)
