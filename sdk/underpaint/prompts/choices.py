"""Wildcards in a prompt: of `{oak|pine}` the seed chooses one."""

from __future__ import annotations

import hashlib

from underpaint.prompts.marks import pieces


def choose(prompt: str, seed: int, label: str = "prompt") -> str:
    """A prompt with one option for each group in braces; groups may be nested, options empty.

    Braces without `|`, or without a partner, stay as they are, and so do escapes. `label` lets two texts of
    one seed choose differently. The same seed chooses the same on every machine.
    """
    # Groups that are open, the outermost first: their number, and the pieces of each of their options.
    open_groups: list[tuple[int, list[list[str]]]] = [(0, [[]])]
    count = 0
    for piece in pieces(prompt):
        options = open_groups[-1][1]
        if piece == "{":
            count += 1
            open_groups.append((count, [[]]))
        elif piece == "|" and len(open_groups) > 1:
            options.append([])
        elif piece == "}" and len(open_groups) > 1:
            number, _ = open_groups.pop()
            texts = ["".join(option) for option in options]
            said = texts[_draw(seed, label, number, len(texts))] if len(texts) > 1 else f"{{{texts[0]}}}"
            open_groups[-1][1][-1].append(said)
        else:
            options[-1].append(piece)
    texts = ["|".join("".join(option) for option in options) for _, options in open_groups]
    return "{".join(texts)


def region_label(number: int, field: str = "prompt") -> str:
    """What `choose` calls a text of a region, counted from 0."""
    return f"regions[{number}].{field}"


def _draw(seed: int, label: str, number: int, count: int) -> int:
    digest = hashlib.sha256(f"{seed}/{label}/{number}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % count
