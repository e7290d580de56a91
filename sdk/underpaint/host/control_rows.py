"""A panel's list of controls as names and numbers: what it shows, and what a document remembers."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from underpaint.errors import InvalidRequest, Violation

MOST_ROWS = 8
"""As many controls as a request may have."""
_RANGES = {"strength": (0.0, 2.0), "start": (0.0, 1.0), "end": (0.0, 1.0)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlRow:
    """One control of a panel, without pixels: everything is a name, so that it outlives host and daemon."""

    role: str
    """One of the model's `ModelInfo.controls`."""
    source: str = "layer"
    """`ControlSource.name`."""
    choice: str = ""
    """A key of what `ControlSource.choices` gives; "" where it has none."""
    title: str = ""
    """What was chosen, in words, for messages when it is gone."""
    preprocessor: str = ""
    """"" for the image as it is."""
    strength: float = 1.0
    """0.0 to 2.0."""
    start: float = 0.0
    end: float = 1.0
    """Shares of the steps, `start` below `end`."""
    model: str = ""
    """A control model; "" for the first that knows the role."""
    parameters: Mapping[str, float] = field(default_factory=dict)
    """For the preprocessor."""


def pack_rows(rows: Iterable[ControlRow]) -> str:
    """Rows as JSON, a list of objects, for a document's own notes; "" for none. `unpack_rows` reads it."""
    packed = [{key: value for key, value in asdict(row).items() if value != _DEFAULTS[key]} for row in rows]
    return json.dumps(packed, ensure_ascii=False) if packed else ""


def unpack_rows(text: str) -> tuple[ControlRow, ...]:
    """Rows from JSON; a single object is one row, a key that is missing has its default, "" gives none.

    Raises `InvalidRequest` whose violations name what is not understood.
    """
    if not text.strip():
        return ()
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    entries = [found] if isinstance(found, dict) else found
    if not isinstance(entries, list) or len(entries) > MOST_ROWS:
        raise _refusal([Violation("controls", f"is a JSON list of at most {MOST_ROWS} objects")])
    wrong = [fault for number, entry in enumerate(entries) for fault in _faults(number, entry)]
    if wrong:
        raise _refusal(wrong)
    return tuple(ControlRow(**entry) for entry in entries)


_DEFAULTS: Mapping[str, Any] = {**asdict(ControlRow(role="-")), "role": None}


def _faults(number: int, entry: object) -> Iterable[Violation]:
    where = f"controls[{number}]"
    if not isinstance(entry, dict) or not isinstance(entry.get("role"), str):
        yield Violation(where, 'is an object with a role: {"role": "line-art", "choice": "7"}')
        return
    known = [one.name for one in fields(ControlRow)]
    for key, value in entry.items():
        if key not in known:
            yield Violation(f"{where}.{key}", f"is none of {', '.join(known)}")
        elif key in _RANGES:
            low, high = _RANGES[key]
            if not _is_number(value) or not low <= value <= high:
                yield Violation(f"{where}.{key}", f"is a number, {low:g} to {high:g}")
        elif key == "parameters":
            if not isinstance(value, dict) or not all(map(_is_number, value.values())):
                yield Violation(f"{where}.{key}", "holds numbers by name")
        elif not isinstance(value, str):
            yield Violation(f"{where}.{key}", "is a text")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _refusal(wrong: list[Violation]) -> InvalidRequest:
    details = "; ".join(f"{fault.field} {fault.description}" for fault in wrong)
    return InvalidRequest(f"These controls are not understood: {details}.", violations=wrong)
