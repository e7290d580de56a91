"""A panel's list of controls as names and numbers: what it shows, and what a document remembers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from underpaint.host.row_text import RowText

MOST_ROWS = 8
"""As many controls as a request may have."""


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
    mask_source: str = ""
    """A `ControlSource.name`: what that covers is where the control counts. "": everywhere."""
    mask_choice: str = ""
    mask_title: str = ""
    """As `choice` and `title`, of the mask."""


_TEXT = RowText(
    kind=ControlRow,
    name="controls",
    required="role",
    example='{"role": "line-art", "choice": "7"}',
    most=MOST_ROWS,
    ranges={"strength": (0.0, 2.0), "start": (0.0, 1.0), "end": (0.0, 1.0)},
)


def pack_rows(rows: Iterable[ControlRow]) -> str:
    """Rows as JSON, a list of objects, for a document's own notes; "" for none. `unpack_rows` reads it."""
    return _TEXT.pack(rows)


def unpack_rows(text: str) -> tuple[ControlRow, ...]:
    """Rows from JSON; a single object is one row, a key that is missing has its default, "" gives none.

    Raises `InvalidRequest` whose violations name what is not understood.
    """
    return _TEXT.unpack(text)
