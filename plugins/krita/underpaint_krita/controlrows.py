# SPDX-License-Identifier: GPL-3.0-or-later
"""The docker's list of controls: a few lines for each, and a button that adds one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from underpaint.host import AS_IT_IS, ControlOffers, ControlRow, control_models_for, role_title

from .controller import Controller
from .qt import QtWidgets
from .rowparts import RowBox, Section, combo, labelled, line, offer, percent, set_quietly
from .widgets import Strength

_STRONGEST = 200
"""Per cent."""
_GONE, _EVERYWHERE = "gone", ""
_SHARES = (
    "From which share of the steps on it counts; early steps decide where things lie",
    "Up to which share of the steps it counts; late steps decide how things look",
)


class ControlsSection(Section):
    """What the pictures of this document keep to."""

    def __init__(self, controller: Controller) -> None:
        super().__init__(
            "Controls",
            "Layers that the picture keeps to: drawings, edges, depths",
            controller.controls.add,
            lambda number: ControlBox(controller, number),
        )
        self._controller = controller

    def update_state(self) -> None:
        """Shows what is attached now; called at every change and a few times a second."""
        controls = self._controller.controls
        rows = controls.rows
        # Without a picture, and before anything is known, the rest of the docker says so.
        models_known = bool(self._controller.models and self._controller.models.models)
        self.show_reason(
            controls.why_no_add(),
            "Let the picture keep to a layer: the active one, to begin with",
            always=models_known and not controls.roles(),
        )
        self.show_count(len(rows))
        if rows:
            offers, roles = controls.recent_offers(), controls.roles()
            for box, row in zip(self.rows, rows, strict=True):
                box.show_row(row, offers, roles)


class ControlBox(RowBox):
    """One control: what it is, of what, how it is made, how much it says, where, by which net."""

    def __init__(self, controller: Controller, number: int) -> None:
        super().__init__("Do not keep to this any more", lambda: controller.controls.change(number, None))
        self._controller, self._number = controller, number
        self._row, self._offers = ControlRow(role=""), ControlOffers(())
        self.role = combo("What the image shows", self._on_role)
        self.place = combo("The layer, or what else the picture keeps to", self._on_place)
        self.preprocessor = combo(
            "How the control image is made of it; “as it is” for one that is white on black already",
            lambda name: self._change(preprocessor=name),
        )
        self.make = QtWidgets.QToolButton()
        self.make.setText("To layer")
        self.make.clicked.connect(lambda: controller.make_control_layer(self._row))
        self.strength = Strength(100, "How strictly the picture keeps to it; above 100 % forces", _STRONGEST)
        self.strength.changed.connect(lambda value: self._change(strength=value / 100))
        self.start, self.end = (percent(tip) for tip in _SHARES)
        self.start.valueChanged.connect(lambda value: self._change(start=value / 100))
        self.end.valueChanged.connect(lambda value: self._change(end=value / 100))
        self.mask = combo("Where it counts: what this layer covers, whatever its colour", self._on_mask)
        self.model = combo("The control model that knows such images", lambda name: self._change(model=name))
        self.more = self.fold(
            "Where it counts, and the control model",
            labelled("Where", (self.mask, 1)),
            labelled("Model", (self.model, 1)),
        )
        self.column.addLayout(line((self.role, 1), (self.place, 1), (self.remove, 0)))
        self.column.addLayout(labelled("Made by", (self.preprocessor, 1), (self.make, 0)))
        self.column.addLayout(labelled("Strength", (self.strength, 1)))
        to = QtWidgets.QLabel("to")
        self.column.addLayout(labelled("Steps", (self.start, 1), (to, 0), (self.end, 1), (self.more, 0)))
        self.column.addWidget(self.folded)
        self.column.addWidget(self.problem)

    def show_row(self, row: ControlRow, offers: ControlOffers, roles: Iterable[str]) -> None:
        """Shows a row, and what there is to choose for it."""
        chosen = row.mask_source, row.model
        if any(chosen) and chosen != (self._row.mask_source, self._row.model):
            self.more.setChecked(True)  # what was chosen is seen
        self._row, self._offers = row, offers
        offer(self.role, [(role, role_title(role)) for role in roles], row.role, role_title(row.role))
        place = offers.place_of(row)
        entries = [(one.key, one.title) for one in offers.places]
        offer(self.place, entries, place.key if place is not None else _GONE, row.title)
        made = [(one.name, one.title or one.name) for one in offers.preprocessors_for(row.role)]
        offer(self.preprocessor, [("", AS_IT_IS), *made], row.preprocessor, row.preprocessor)
        set_quietly(self.strength.slider, round(row.strength * 100))
        set_quietly(self.start, round(row.start * 100))
        set_quietly(self.end, round(row.end * 100))
        self.strength.show_value()
        mask = offers.mask_of(row)
        masks = [(_EVERYWHERE, "Everywhere"), *((one.key, one.title) for one in offers.masks)]
        masked = _GONE if row.mask_source and mask is None else mask.key if mask is not None else _EVERYWHERE
        offer(self.mask, masks, masked, row.mask_title)
        models = [self._controller.model(operation) for operation in ("txt2img", "inpaint")]
        names = control_models_for(models, row.role)
        first = f"Automatic ({names[0]})" if names else "Automatic"
        offer(self.model, [("", first), *((name, name) for name in names)], row.model, row.model)
        self.show_problem(offers.problem(row, models[0] or models[1]))
        self.make.setEnabled(bool(row.preprocessor and place is not None and not place.problem))
        self.make.setToolTip(
            "Put the control image on a layer, to see and to edit it; the picture then keeps to that layer"
            if row.preprocessor
            else "Taken as it is, it lies on its layer already"
        )

    def _change(self, **values: Any) -> None:
        self._controller.controls.change(self._number, replace(self._row, **values))

    def _on_role(self, role: str) -> None:
        self._controller.controls.change(self._number, self._offers.with_role(self._row, role))

    def _on_place(self, key: str) -> None:
        place = next((one for one in self._offers.places if one.key == key), None)
        if place is not None:
            self._controller.controls.change(self._number, self._offers.with_place(self._row, place))

    def _on_mask(self, key: str) -> None:
        place = next((one for one in self._offers.masks if one.key == key), None)
        if place is not None or key == _EVERYWHERE:
            self._controller.controls.change(self._number, self._offers.with_mask(self._row, place))
