# SPDX-License-Identifier: GPL-3.0-or-later
"""A dialog's list of regions: where, what to paint there, and how much that says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from gi.repository import Gtk

from underpaint.host import (
    MOST_REGIONS,
    RegionOffers,
    RegionRow,
    pack_regions,
    unpack_regions,
    why_no_regions,
)
from underpaint.types import ModelInfo

from . import documents, regions, widgets
from .adapter import GimpAdapter
from .rowlist import Problem, RowList, beside, remove_button

_GONE = "gone"


class RegionList(RowList[RegionRow]):
    """Parts of the image with words of their own."""

    name = "regions"
    add_label = "A_dd Region"

    def __init__(self, config: Any, adapter: GimpAdapter) -> None:
        super().__init__(config, pack_regions, unpack_regions)
        self._adapter = adapter
        self._model: ModelInfo | None = None

    def problem(self) -> str:
        """Why the regions cannot be used; "" if they can."""
        rows = self.rows
        offers = regions.offers_of(self._adapter) if rows else RegionOffers(())
        return next(filter(None, (offers.problem(row, self._model) for row in rows)), "")

    def refresh(self, model: ModelInfo | None) -> None:
        """Shows them; called a few times a second."""
        self._model = model
        rows = self.rows
        reason = why_no_regions(model) if model is not None else ""
        full = f"An image has {MOST_REGIONS} regions at most." if len(rows) >= MOST_REGIONS else ""
        hint = "Give a layer words of its own: the selected one, first"
        self.show_reason(reason or full, hint, beside=True)
        self.show_count(len(rows))
        offers = regions.offers_of(self._adapter) if rows else RegionOffers(())
        for box, row in zip(self.boxes, rows, strict=True):
            box.show(row, offers, offers.problem(row, model))

    def new_row(self) -> RegionRow | None:
        """The selected layer, where it has no words yet."""
        selected = next(iter(self._adapter.image.get_selected_layers()), None)
        layer = documents.layer_id(selected) if selected is not None else ""
        return regions.offers_of(self._adapter).new_row(self.rows, layer=layer)

    def new_box(self, number: int) -> Any:
        """The fields of a region."""
        return _Box(number, self.change)

    def _on_add(self) -> None:
        super()._on_add()
        self.refresh(self._model)
        self.boxes[-1].prompt.grab_focus()


class _Box:
    """The fields of one region."""

    def __init__(self, number: int, change: Callable[[int, RegionRow | None], None]) -> None:
        self._number, self._change = number, change
        self._row, self._offers, self._showing = RegionRow(prompt=""), RegionOffers(()), False
        self._place = widgets.LiveChoice(
            "The layer: where it is painted, whatever its colour", self._on_place
        )
        self.prompt = Gtk.Entry(activates_default=True, placeholder_text="What shall be there?")
        self.prompt.connect("changed", lambda field: self._set(prompt=field.get_text()))
        self._strength = widgets.share("How far these words take the place of what lies beneath")
        self._strength.connect("value-changed", lambda field: self._set(strength=field.get_value()))
        self._problem = Problem()
        remove = remove_button("No words of its own any more", lambda: change(number, None))
        lines = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=4, border_width=6)
        for one in (
            beside((self._place.widget, True), (remove, False)),
            beside((self.prompt, True), (self._strength, False)),
            self._problem.widget,
        ):
            lines.pack_start(one, False, False, 0)
        self.widget = Gtk.Frame()
        self.widget.add(lines)

    def show(self, row: RegionRow, offers: RegionOffers, problem: str) -> None:
        """Shows a row, and what there is to choose for it."""
        self._row, self._offers, self._showing = row, offers, True
        try:
            place = offers.place_of(row)
            entries = [(one.key, one.title) for one in offers.places]
            self._place.offer(entries, place.key if place is not None else _GONE, row.title)
            if self.prompt.get_text() != row.prompt:
                self.prompt.set_text(row.prompt)
            if abs(self._strength.get_value() - row.strength) > 1e-3:
                self._strength.set_value(row.strength)
            self._problem.show(problem)
        finally:
            self._showing = False

    def _set(self, **values: Any) -> None:
        if not self._showing:
            self._change(self._number, replace(self._row, **values))

    def _on_place(self, key: str) -> None:
        place = next((one for one in self._offers.places if one.key == key), None)
        if place is not None and not self._showing:
            self._change(self._number, self._offers.with_place(self._row, place))
