"""A panel's list of regions as names and words: what it shows, and what a document remembers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from underpaint.host.row_text import RowText

MOST_REGIONS = 8
"""As many regions as a request may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionRow:
    """A part of a document with words of its own, without pixels: all names outlive host and daemon."""

    prompt: str
    """What to paint there."""
    source: str = "layer"
    """`ControlSource.name`; what it covers is the region, whatever its colour."""
    choice: str = ""
    """A key of what `ControlSource.choices` gives; "" where it has none."""
    title: str = ""
    """What was chosen, in words, for messages when it is gone."""
    strength: float = 1.0
    """How far its words take the place of what lies beneath, 0.0 to 1.0."""
    negative_prompt: str = ""
    """What to avoid there; "": as everywhere."""


_TEXT = RowText(
    kind=RegionRow,
    name="regions",
    required="prompt",
    example='{"prompt": "green grass", "choice": "7"}',
    most=MOST_REGIONS,
    ranges={"strength": (0.0, 1.0)},
)


def pack_regions(rows: Iterable[RegionRow]) -> str:
    """Rows as JSON, a list of objects, for a document's own notes; "" for none. `unpack_regions` reads it."""
    return _TEXT.pack(rows)


def unpack_regions(text: str) -> tuple[RegionRow, ...]:
    """Rows from JSON; a single object is one row, a key that is missing has its default, "" gives none.

    Raises `InvalidRequest` whose violations name what is not understood.
    """
    return _TEXT.unpack(text)
