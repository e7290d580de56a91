"""Rows of a panel as JSON text: what a document, a configuration or a script's argument holds of them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, asdict, dataclass, field, fields
from typing import Any, Generic, TypeVar

from underpaint.errors import InvalidRequest, Violation

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True, kw_only=True)
class RowText(Generic[Row]):
    """How rows of one kind are written and read. A row is a frozen dataclass of texts and numbers."""

    kind: type[Row]
    name: str
    """Of the list, as violations name it: "controls"."""
    required: str
    """The one field that has no default; it is a text."""
    example: str
    """An entry, for whoever left that out."""
    most: int
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Of its numbers, both ends included."""

    def pack(self, rows: Iterable[Row]) -> str:
        """A list of objects without what has its default; "" for no rows."""
        defaults: dict[str, Any] = {one.name: _default(one) for one in self._fields()}
        packed = [
            # `asdict` takes instances of dataclasses, which a type variable cannot say.
            {key: value for key, value in asdict(row).items() if value != defaults[key]}  # type: ignore[call-overload]
            for row in rows
        ]
        return json.dumps(packed, ensure_ascii=False) if packed else ""

    def unpack(self, text: str) -> tuple[Row, ...]:
        """The rows again; a single object is one row, a key that is missing has its default, "" gives none.

        Raises `InvalidRequest` whose violations name what is not understood.
        """
        if not text.strip():
            return ()
        try:
            found = json.loads(text)
        except ValueError:
            found = None
        entries = [found] if isinstance(found, dict) else found
        if not isinstance(entries, list) or len(entries) > self.most:
            raise self._refusal([Violation(self.name, f"is a JSON list of at most {self.most} objects")])
        wrong = [fault for number, entry in enumerate(entries) for fault in self._faults(number, entry)]
        if wrong:
            raise self._refusal(wrong)
        return tuple(self.kind(**entry) for entry in entries)

    def _faults(self, number: int, entry: object) -> Iterable[Violation]:
        where = f"{self.name}[{number}]"
        if not isinstance(entry, dict) or not isinstance(entry.get(self.required), str):
            yield Violation(where, f"is an object with a {self.required}: {self.example}")
            return
        known = {one.name: _default(one) for one in self._fields()}
        for key, value in entry.items():
            if key not in known:
                yield Violation(f"{where}.{key}", f"is none of {', '.join(known)}")
            elif key in self.ranges:
                low, high = self.ranges[key]
                if not _is_number(value) or not low <= value <= high:
                    yield Violation(f"{where}.{key}", f"is a number, {low:g} to {high:g}")
            elif isinstance(known[key], dict):
                if not isinstance(value, dict) or not all(map(_is_number, value.values())):
                    yield Violation(f"{where}.{key}", "holds numbers by name")
            elif not isinstance(value, str):
                yield Violation(f"{where}.{key}", "is a text")

    def _fields(self) -> tuple[Field[Any], ...]:
        return fields(self.kind)  # type: ignore[arg-type]  # as for `asdict`

    def _refusal(self, wrong: list[Violation]) -> InvalidRequest:
        details = "; ".join(f"{fault.field} {fault.description}" for fault in wrong)
        return InvalidRequest(f"These {self.name} are not understood: {details}.", violations=wrong)


def _default(one: Field[Any]) -> Any:
    if one.default_factory is not MISSING:
        return one.default_factory()
    return None if one.default is MISSING else one.default


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
