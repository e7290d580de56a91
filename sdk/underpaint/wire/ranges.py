"""Ranges of single values, the same for messages and for the types that become messages."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from underpaint.errors import Violation
from underpaint.wire.images import MAX_EDGE

MAX_PROMPT: Final = 10_000
"""Longest prompt, in characters."""
MAX_STEPS: Final = 1000
MAX_GUIDANCE: Final = 100.0
MAX_GROW: Final = 4096.0
"""Largest growth or feather of a mask, in canvas pixels."""
FILL_MODES: Final = ("keep", "blur", "neutral", "noise", "border", "continue")
"""What a hole may hold before the first step."""
MAX_SEED: Final = 2**64 - 1
MAX_CLIENT_ID: Final = 128
"""Longest client id, in bytes."""
MAX_DOCUMENT_ID: Final = 256
"""Longest document id, in bytes."""
MAX_HOST_CONTEXT: Final = 64 * 1024
"""Longest host context, in bytes."""
MAX_TITLE: Final = 256
"""Longest title, in characters."""
MAX_REQUEST_ID: Final = 128
"""Longest request id, in characters."""
MAX_NAME: Final = 128
"""Longest name of a processor or parameter, in characters."""
MAX_PARAMETERS: Final = 64
MAX_POSTPROCESSORS: Final = 8


def check_texts(texts: dict[str, str], field: str) -> list[Violation]:
    """Texts by field that are too long."""
    return [
        Violation(f"{field}.{name}", f"may have {MAX_PROMPT} characters, got {len(text)}: shorten it")
        for name, text in texts.items()
        if len(text) > MAX_PROMPT
    ]


def check_between(field: str, value: float, maximum: float) -> list[Violation]:
    """0.0 to `maximum`; refuses NaN."""
    # Written so that NaN is refused too.
    return [] if 0.0 <= value <= maximum else [Violation(field, f"must be 0 to {maximum:g}, got {value}")]


def check_strength(field: str, value: float) -> list[Violation]:
    """Above 0.0 to 1.0; refuses NaN."""
    good = not math.isnan(value) and 0.0 < value <= 1.0
    return [] if good else [Violation(field, f"must be above 0 and at most 1, got {value}")]


def check_fill_mode(field: str, mode: str) -> list[Violation]:
    """One of `FILL_MODES`, or "" for the first."""
    if not mode or mode in FILL_MODES:
        return []
    return [Violation(field, f"must be one of {', '.join(FILL_MODES)}, got {mode[:40]!r}")]


def check_whole(field: str, value: int | None, minimum: int, maximum: int) -> list[Violation]:
    """`minimum` to `maximum`, or None."""
    if value is None or minimum <= value <= maximum:
        return []
    return [Violation(field, f"must be {minimum} to {maximum}, got {value}")]


def too_wide(value: int) -> str:
    """What to say about an edge that is too long."""
    return f"must be at most {MAX_EDGE} pixels, got {value}"


def check_preprocess(name: str, parameters: Mapping[str, float], field: str) -> list[Violation]:
    """A preprocessor's name and parameters, as far as that can be said without knowing it."""
    found: list[Violation] = []
    if not 1 <= len(name) <= MAX_NAME:
        text = f"name a preprocessor, 1 to {MAX_NAME} characters, got {len(name)}"
        found.append(Violation(f"{field}.preprocess.preprocessor", text))
    where = f"{field}.preprocess.parameters"
    if len(parameters) > MAX_PARAMETERS:
        found.append(Violation(where, f"may hold {MAX_PARAMETERS} values, got {len(parameters)}"))
    return found + check_finite(parameters, where)


def check_finite(parameters: Mapping[str, float], where: str) -> list[Violation]:
    """Values by name that are no numbers to compute with."""
    return [
        Violation(f"{where}.{name[:MAX_NAME]}", f"must be a finite number, got {value}")
        for name, value in parameters.items()
        if not math.isfinite(value)
    ]


def check_postprocess(names: Sequence[str], field: str) -> list[Violation]:
    """Names of post-processors."""
    where = f"{field}.postprocess"
    if len(names) > MAX_POSTPROCESSORS:
        return [Violation(where, f"may name {MAX_POSTPROCESSORS} post-processors, got {len(names)}")]
    return [
        Violation(where, f"a name has 1 to {MAX_NAME} characters, got {len(name)}")
        for name in names
        if not 1 <= len(name) <= MAX_NAME
    ]
