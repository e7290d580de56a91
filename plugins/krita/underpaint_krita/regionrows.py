# SPDX-License-Identifier: GPL-3.0-or-later
"""The docker's list of regions: where, and what to paint there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from underpaint.host import RegionOffers, RegionRow

from .controller import Controller
from .qt import QtCore, QtWidgets
from .rowparts import RowBox, Section, combo, labelled, line, offer, set_quietly
from .widgets import Strength

_GONE = "gone"


class RegionsSection(Section):
    """Parts of this picture with words of their own."""

    submitted = QtCore.pyqtSignal()
    """Enter in one of the fields."""

    def __init__(self, controller: Controller) -> None:
        super().__init__(
            "Regions",
            "Layers with words of their own: the picture follows those where such a layer covers it, and the "
            "words above everywhere else",
            self._on_add,
            lambda number: RegionBox(controller, number, self.submitted.emit),
        )
        self._controller = controller

    def _on_add(self) -> None:
        count = len(self.rows)
        self._controller.regions.add()
        if len(self.rows) > count:
            self.rows[-1].prompt.setFocus()  # for the words that it lacks

    def update_state(self) -> None:
        """Shows the regions as they are now; called at every change and a few times a second."""
        controller, regions = self._controller, self._controller.regions
        rows, model = regions.rows, controller.model()
        self.show_reason(
            regions.why_no_add(),
            "Give a layer words of its own: the active one, to begin with",
            always=model is not None and not model.regions,
        )
        self.show_count(len(rows))
        if rows:
            offers = regions.recent_offers()
            for box, row in zip(self.rows, rows, strict=True):
                box.show_row(row, offers, offers.problem(row, model))


class RegionBox(RowBox):
    """One region."""

    def __init__(self, controller: Controller, number: int, submitted: Any) -> None:
        super().__init__("No words of its own any more", lambda: controller.regions.change(number, None))
        self._controller, self._number = controller, number
        self._row, self._offers = RegionRow(prompt=""), RegionOffers(())
        self.place = combo("The layer: where it is painted, whatever its colour", self._on_place)
        self.prompt = _words("What shall be there?", lambda text: self._change(prompt=text), submitted)
        self.negative = _words("as everywhere", lambda text: self._change(negative_prompt=text), submitted)
        self.negative.setToolTip("What shall not be there, in place of what the whole picture avoids")
        self.strength = Strength(100, "How far these words take the place of what lies beneath")
        self.strength.changed.connect(lambda value: self._change(strength=value / 100))
        self.more = self.fold(
            "What to avoid there, and how much all of it says",
            labelled("Avoid", (self.negative, 1)),
            labelled("Strength", (self.strength, 1)),
        )
        self.column.addLayout(line((self.place, 1), (self.remove, 0)))
        self.column.addLayout(line((self.prompt, 1), (self.more, 0)))
        self.column.addWidget(self.folded)
        self.column.addWidget(self.problem)

    def show_row(self, row: RegionRow, offers: RegionOffers, problem: str) -> None:
        """Shows a row, and what there is to choose for it."""
        if (row.strength, row.negative_prompt) != (self._row.strength, self._row.negative_prompt):
            self.more.setChecked(True)  # what was chosen is seen
        self._row, self._offers = row, offers
        place = offers.place_of(row)
        entries = [(one.key, one.title) for one in offers.places]
        offer(self.place, entries, place.key if place is not None else _GONE, row.title)
        for field, text in ((self.prompt, row.prompt), (self.negative, row.negative_prompt)):
            if field.text() != text:  # another picture's, or changed in another window
                field.blockSignals(True)
                field.setText(text)
                field.blockSignals(False)
        set_quietly(self.strength.slider, round(row.strength * 100))
        self.strength.show_value()
        self.show_problem(problem)

    def _change(self, **values: Any) -> None:
        self._controller.regions.change(self._number, replace(self._row, **values))

    def _on_place(self, key: str) -> None:
        place = next((one for one in self._offers.places if one.key == key), None)
        if place is not None:
            self._controller.regions.change(self._number, self._offers.with_place(self._row, place))


def _words(placeholder: str, changed: Any, submitted: Any) -> Any:
    field = QtWidgets.QLineEdit()
    field.setPlaceholderText(placeholder)
    field.textChanged.connect(changed)
    field.returnPressed.connect(submitted)
    return field
