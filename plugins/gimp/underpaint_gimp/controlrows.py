# SPDX-License-Identifier: GPL-3.0-or-later
"""A dialog's list of controls, bound to the argument `controls`: fields for each, a button that adds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from gi.repository import Gtk

from underpaint.errors import InvalidRequest
from underpaint.host import (
    AS_IT_IS,
    MOST_ROWS,
    ControlOffers,
    ControlRow,
    pack_rows,
    role_title,
    roles_of,
    unpack_rows,
    why_no_controls,
)
from underpaint.types import ModelInfo, PreprocessorInfo

from . import controls, documents, widgets
from .adapter import GimpAdapter


class ControlList:
    """What the picture keeps to."""

    def __init__(self, config: Any, adapter: GimpAdapter) -> None:
        self._config, self._adapter = config, adapter
        self._model: ModelInfo | None = None
        self.preprocessors: tuple[PreprocessorInfo, ...] = ()
        """Those of the daemon; none while it has not told."""
        self._boxes: list[_Box] = []
        self._add = Gtk.Button.new_with_mnemonic("Add _Control")
        self._add.connect("clicked", lambda _: self._add_row())
        self._why = Gtk.Label(xalign=0.0, wrap=True, max_width_chars=40)
        self._rows = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        head = Gtk.Box(spacing=8)
        head.pack_start(self._add, False, False, 0)
        head.pack_start(self._why, True, True, 0)
        self.widget = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        self.widget.pack_start(self._rows, False, False, 0)
        self.widget.pack_start(head, False, False, 0)

    @property
    def rows(self) -> tuple[ControlRow, ...]:
        """What is attached now."""
        try:
            return unpack_rows(self._config.get_property("controls") or "")
        except InvalidRequest:
            return ()

    def problem(self) -> str:
        """Why what is attached cannot be used; "" if it can."""
        rows = self.rows
        offers = self._offers() if rows else ControlOffers(())
        return next(filter(None, (offers.problem(row, self._model) for row in rows)), "")

    def refresh(self, model: ModelInfo | None) -> None:
        """Shows what is attached and what `model` takes; called a few times a second."""
        self._model = model
        reason = self._why_no_add()
        self._add.set_sensitive(not reason)
        self._add.set_tooltip_text(reason or "Let the picture keep to a layer: the selected one, first")
        self._why.set_text(reason if model is not None else "")
        rows = self.rows
        while len(self._boxes) > len(rows):
            self._boxes.pop().widget.destroy()
        while len(self._boxes) < len(rows):
            self._boxes.append(_Box(len(self._boxes), self._change))
            self._rows.pack_start(self._boxes[-1].widget, False, False, 0)
            self._boxes[-1].widget.show_all()
        offers = self._offers() if rows else ControlOffers(())
        for box, row in zip(self._boxes, rows, strict=True):
            box.show(row, offers, roles_of([model]))

    def _why_no_add(self) -> str:
        if self._model is None:
            return "The daemon has not told of its models yet."
        if len(self.rows) >= MOST_ROWS:
            return f"A picture keeps to {MOST_ROWS} images at most."
        return why_no_controls(self._model)

    def _offers(self) -> ControlOffers:
        return controls.offers_of(self._adapter, self.preprocessors)

    def _add_row(self) -> None:
        selected = next(iter(self._adapter.image.get_selected_layers()), None)
        layer = documents.layer_id(selected) if selected is not None else ""
        row = self._offers().new_row(roles_of([self._model]), self.rows, layer=layer)
        if row is not None:
            self._keep([*self.rows, row])

    def _change(self, number: int, row: ControlRow | None) -> None:
        rows = list(self.rows)
        rows[number : number + 1] = [row] if row is not None else []
        self._keep(rows)

    def _keep(self, rows: Sequence[ControlRow]) -> None:
        self._config.set_property("controls", pack_rows(rows))


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
        remove = Gtk.Button.new_from_icon_name("list-remove-symbolic", Gtk.IconSize.BUTTON)
        remove.set_tooltip_text("Do not keep to this any more")
        remove.connect("clicked", lambda _: change(number, None))
        self._strength = Gtk.Scale.new_with_range(Gtk.Orientation.HORIZONTAL, 0.0, 2.0, 0.05)
        self._strength.set_value_pos(Gtk.PositionType.RIGHT)
        self._strength.connect("format-value", lambda _, value: f"{value:.0%}")
        self._strength.set_tooltip_text("How strictly the picture keeps to it; above 100 % forces")
        self._strength.set_hexpand(True)
        self._start = _share("From which share of the steps on it counts; early steps place things")
        self._end = _share("Up to which share of the steps it counts; late steps make their looks")
        fields = ("strength", "start", "end")
        for name, field in zip(fields, (self._strength, self._start, self._end), strict=True):
            field.connect("value-changed", lambda field, name=name: self._set(**{name: field.get_value()}))
        shares = Gtk.Box(spacing=6)
        for widget in (self._start, Gtk.Label(label="to"), self._end):
            shares.pack_start(widget, False, False, 0)
        what = Gtk.Box(spacing=6)
        for widget in (self._role.widget, self._place.widget):
            what.pack_start(widget, True, True, 0)
        what.pack_start(remove, False, False, 0)
        grid = Gtk.Grid(row_spacing=4, column_spacing=12, border_width=6)
        grid.attach(what, 0, 0, 2, 1)
        lines = (("Made by", self._made.widget), ("Strength", self._strength), ("Steps from", shares))
        for line, (label, widget) in enumerate(lines, 1):
            grid.attach(Gtk.Label(label=label, xalign=0.0), 0, line, 1, 1)
            grid.attach(widget, 1, line, 1, 1)
        self.widget = Gtk.Frame()
        self.widget.add(grid)

    def show(self, row: ControlRow, offers: ControlOffers, roles: Sequence[str]) -> None:
        """Shows a row, and what there is to choose for it."""
        self._row, self._offers, self._showing = row, offers, True
        try:
            self._role.offer([(role, role_title(role)) for role in roles], row.role, role_title(row.role))
            place = offers.place_of(row)
            entries = [(one.key, one.title) for one in offers.places]
            self._place.offer(entries, place.key if place is not None else "gone", row.title)
            made = [(one.name, one.title or one.name) for one in offers.preprocessors_for(row.role)]
            self._made.offer([("", AS_IT_IS), *made], row.preprocessor, row.preprocessor)
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


def _share(hint: str) -> Any:
    field = Gtk.SpinButton.new_with_range(0.0, 1.0, 0.05)
    field.set_digits(2)
    field.set_width_chars(4)
    field.set_tooltip_text(hint)
    return field
