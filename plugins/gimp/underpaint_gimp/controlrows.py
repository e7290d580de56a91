# SPDX-License-Identifier: GPL-3.0-or-later
"""A dialog's list of controls, bound to the argument `controls`: fields for each, a button that adds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from gi.repository import Gtk

from underpaint.host import (
    AS_IT_IS,
    MOST_ROWS,
    ControlOffers,
    ControlRow,
    control_models_for,
    pack_rows,
    role_title,
    roles_of,
    unpack_rows,
    why_no_controls,
)
from underpaint.types import ModelInfo, PreprocessorInfo

from . import controls, documents, widgets
from .adapter import GimpAdapter
from .rowlist import RowList, beside, remove_button

_GONE, _EVERYWHERE, _FIRST = "gone", "", ""


class ControlList(RowList[ControlRow]):
    """What the picture keeps to."""

    name = "controls"
    add_label = "Add _Control"

    def __init__(self, config: Any, adapter: GimpAdapter) -> None:
        super().__init__(config, pack_rows, unpack_rows)
        self._adapter = adapter
        self._model: ModelInfo | None = None
        self.preprocessors: tuple[PreprocessorInfo, ...] = ()
        """Those of the daemon; none while it has not told."""

    def problem(self) -> str:
        """Why what is attached cannot be used; "" if it can."""
        rows = self.rows
        offers = self._offers() if rows else ControlOffers(())
        return next(filter(None, (offers.problem(row, self._model) for row in rows)), "")

    def refresh(self, model: ModelInfo | None) -> None:
        """Shows what is attached and what `model` takes; called a few times a second."""
        self._model = model
        hint = "Let the picture keep to a layer: the selected one, first"
        self.show_reason(self._why_no_add(), hint, beside=model is not None)
        rows = self.rows
        self.show_count(len(rows))
        offers = self._offers() if rows else ControlOffers(())
        for box, row in zip(self.boxes, rows, strict=True):
            box.show(row, offers, model)

    def new_row(self) -> ControlRow | None:
        """The selected layer, as a drawing where the model takes one."""
        selected = next(iter(self._adapter.image.get_selected_layers()), None)
        layer = documents.layer_id(selected) if selected is not None else ""
        return self._offers().new_row(roles_of([self._model]), self.rows, layer=layer)

    def new_box(self, number: int) -> Any:
        """The fields of a control."""
        return _Box(number, self.change)

    def _why_no_add(self) -> str:
        if self._model is None:
            return "The daemon has not told of its models yet."
        if len(self.rows) >= MOST_ROWS:
            return f"A picture keeps to {MOST_ROWS} images at most."
        return why_no_controls(self._model)

    def _offers(self) -> ControlOffers:
        return controls.offers_of(self._adapter, self.preprocessors)


class _Box:
    """The fields of one control."""

    def __init__(self, number: int, change: Callable[[int, ControlRow | None], None]) -> None:
        self._number, self._change = number, change
        self._row, self._offers = ControlRow(role=""), ControlOffers(())
        self._showing = False
        self._role = widgets.LiveChoice("What the image shows", self._on_role)
        self._place = widgets.LiveChoice("The layer, or what else the picture keeps to", self._on_place)
        self._made = widgets.LiveChoice(
            "How the control image is made of it; “as it is” for one that is white on black already",
            lambda name: self._set(preprocessor=name),
        )
        remove = remove_button("Do not keep to this any more", lambda: change(number, None))
        self._strength = widgets.strength(2.0, "How strictly the picture keeps to it; above 100 % forces")
        self._start = widgets.share("From which share of the steps on it counts; early steps place things")
        self._end = widgets.share("Up to which share of the steps it counts; late steps make their looks")
        fields = ("strength", "start", "end")
        for name, field in zip(fields, (self._strength, self._start, self._end), strict=True):
            field.connect("value-changed", lambda field, name=name: self._set(**{name: field.get_value()}))
        self._mask = widgets.LiveChoice(
            "Where it counts: what this layer covers, whatever its colour", self._on_mask
        )
        self._net = widgets.LiveChoice(
            "The control model that knows such images", lambda name: self._set(model=name)
        )
        shares = beside((self._start, False), (Gtk.Label(label="to"), False), (self._end, False))
        what = beside((self._role.widget, True), (self._place.widget, True), (remove, False))
        grid = Gtk.Grid(row_spacing=4, column_spacing=12, border_width=6)
        grid.attach(what, 0, 0, 2, 1)
        lines = (("Made by", self._made.widget), ("Strength", self._strength), ("Steps from", shares))
        for line, (label, widget) in enumerate(lines, 1):
            grid.attach(Gtk.Label(label=label, xalign=0.0), 0, line, 1, 1)
            grid.attach(widget, 1, line, 1, 1)
        more = widgets.Form()
        more.add("Where", self._mask.widget)
        more.add("Model", self._net.widget)
        self._more = widgets.expander("Where, and which model", more.widget)
        grid.attach(self._more, 0, 4, 2, 1)
        self.widget = Gtk.Frame()
        self.widget.add(grid)

    def show(self, row: ControlRow, offers: ControlOffers, model: ModelInfo | None) -> None:
        """Shows a row, and what there is to choose for it."""
        chosen = row.mask_source, row.model
        if any(chosen) and chosen != (self._row.mask_source, self._row.model):
            self._more.set_expanded(True)  # what was chosen is seen
        roles = roles_of([model])
        self._row, self._offers, self._showing = row, offers, True
        try:
            self._role.offer([(role, role_title(role)) for role in roles], row.role, role_title(row.role))
            place = offers.place_of(row)
            entries = [(one.key, one.title) for one in offers.places]
            self._place.offer(entries, place.key if place is not None else _GONE, row.title)
            made = [(one.name, one.title or one.name) for one in offers.preprocessors_for(row.role)]
            self._made.offer([("", AS_IT_IS), *made], row.preprocessor, row.preprocessor)
            mask = offers.mask_of(row)
            masks = [(_EVERYWHERE, "Everywhere"), *((one.key, one.title) for one in offers.masks)]
            masked = _GONE if row.mask_source else _EVERYWHERE
            self._mask.offer(masks, mask.key if mask is not None else masked, row.mask_title)
            names = control_models_for([model], row.role)
            first = f"Automatic ({names[0]})" if names else "Automatic"
            self._net.offer([(_FIRST, first), *((name, name) for name in names)], row.model, row.model)
            for field, value in (
                (self._strength, row.strength),
                (self._start, row.start),
                (self._end, row.end),
            ):
                if abs(field.get_value() - value) > 1e-3:
                    field.set_value(value)
        finally:
            self._showing = False

    def _set(self, **values: Any) -> None:
        if not self._showing:
            self._change(self._number, replace(self._row, **values))

    def _on_role(self, role: str) -> None:
        if not self._showing:
            self._change(self._number, self._offers.with_role(self._row, role))

    def _on_place(self, key: str) -> None:
        place = next((one for one in self._offers.places if one.key == key), None)
        if place is not None and not self._showing:
            self._change(self._number, self._offers.with_place(self._row, place))

    def _on_mask(self, key: str) -> None:
        place = next((one for one in self._offers.masks if one.key == key), None)
        if (place is not None or key == _EVERYWHERE) and not self._showing:
            self._change(self._number, self._offers.with_mask(self._row, place))
