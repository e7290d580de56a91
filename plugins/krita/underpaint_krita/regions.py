# SPDX-License-Identifier: GPL-3.0-or-later
"""The regions of the active picture: layers, each with words of its own."""

from __future__ import annotations

from collections.abc import Callable

from krita import Document, Krita

from underpaint.errors import InvalidRequest
from underpaint.host import (
    MOST_REGIONS,
    AttachedRegion,
    RegionOffers,
    RegionRow,
    pack_regions,
    region_offers,
    unpack_regions,
    why_no_regions,
)

from .annotations import keep_note, read_note
from .controls import Controls, Models
from .documents import node_id

_ANNOTATION = "underpaint-regions"


class Regions:
    """Rows are an annotation of their document, as those of controls are."""

    def __init__(self, controls: Controls, models: Models, changed: Callable[[], None]) -> None:
        self._controls, self._models, self._changed = controls, models, changed

    @property
    def rows(self) -> tuple[RegionRow, ...]:
        """Those of the active picture."""
        document = Krita.instance().activeDocument()
        return _noted(document) if document is not None else ()

    def keep(self, rows: tuple[RegionRow, ...]) -> None:
        """Has these instead."""
        document = Krita.instance().activeDocument()
        if document is not None and rows != _noted(document):
            keep_note(document, _ANNOTATION, "Parts with words of their own", pack_regions(rows))
            self._changed()

    def change(self, number: int, row: RegionRow | None) -> None:
        """Puts `row` in the place of the one of that number; None takes it away."""
        rows = list(self.rows)
        rows[number : number + 1] = [row] if row is not None else []
        self.keep(tuple(rows))

    def add(self) -> None:
        """One more: the active layer, where it is none yet."""
        document = Krita.instance().activeDocument()
        active = document.activeNode() if document is not None else None
        layer = node_id(active) if active is not None else ""
        row = region_offers(self._controls.offers()).new_row(self.rows, layer=layer)
        if row is not None:
            self.keep((*self.rows, row))

    def recent_offers(self) -> RegionOffers:
        """What there is to choose, as it was a moment ago."""
        return region_offers(self._controls.recent_offers())

    def why_no_add(self) -> str:
        """Why there can be no other region; "" if there can."""
        if Krita.instance().activeDocument() is None:
            return "Create or open a picture first."
        model = self._models.model()
        if model is not None and (reason := why_no_regions(model)):
            return reason
        if len(self.rows) >= MOST_REGIONS:
            return f"A picture has {MOST_REGIONS} regions at most: remove one first."
        return ""

    def problem(self, operation: str) -> str:
        """Why the regions cannot be used for an operation; "" if they can."""
        rows = self.rows
        if not rows:
            return ""
        offers, model = self.recent_offers(), self._models.model(operation)
        return next(filter(None, (offers.problem(row, model) for row in rows)), "")

    def attached(self) -> tuple[AttachedRegion, ...]:
        """For `Settings.regions`. Raises `InvalidRequest` for a row that cannot be used."""
        rows = self.rows
        return region_offers(self._controls.offers()).attach(rows) if rows else ()


def _noted(document: Document) -> tuple[RegionRow, ...]:
    try:
        return unpack_regions(read_note(document, _ANNOTATION))
    except InvalidRequest:
        return ()  # of a version to come
