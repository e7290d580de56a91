"""Names of embeddings in a text, found as whole words whatever their case."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator


def split_words(text: str, names: Collection[str]) -> Iterator[tuple[str, str]]:
    """A text in pieces that add up to it, each with the name that it is, "" for plain text.

    Of two names that begin at one place, the longer one is meant.
    """
    if not names:
        yield text, ""
        return
    known = {name.lower(): name for name in names}
    listed = "|".join(re.escape(name) for name in sorted(known, key=len, reverse=True))
    end = 0
    for found in re.finditer(rf"(?<![\w-])(?:{listed})(?![\w-])", text, re.IGNORECASE):
        if found.start() > end:
            yield text[end : found.start()], ""
        yield found.group(), known.get(found.group().lower(), "")
        end = found.end()
    if end < len(text):
        yield text[end:], ""
