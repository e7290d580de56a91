# SPDX-License-Identifier: GPL-3.0-or-later
"""A dialog's list of LoRAs: which, and how much."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from gi.repository import Gtk

from underpaint.host import (
    MOST_LORAS,
    lora_problem,
    lora_title,
    lora_tooltip,
    loras_for,
    new_lora,
    pack_loras,
    preset_problem,
    unpack_loras,
)
from underpaint.types import Lora, LoraInfo, ModelInfo

from . import widgets
from .rowlist import Problem, RowList, beside, remove_button

_STRONGEST = 10.0


class LoraList(RowList[Lora]):
    """What the model has on."""

    name = "loras"
    add_label = "Add LoRA"

    def __init__(self, config: Any) -> None:
        super().__init__(config, pack_loras, unpack_loras)
        self.known: tuple[LoraInfo, ...] | None = None
        """Those of the daemon; None while it has not told."""
        self._model: ModelInfo | None = None

    def problem(self) -> str:
        """Why LoRAs or preset cannot be used; "" if they can."""
        wrong = (lora_problem(row, self.known, self._model) for row in self.rows)
        preset = self._config.get_property("preset") or ""
        return next(filter(None, wrong), "") or preset_problem(preset, self._model)

    def refresh(self, model: ModelInfo | None) -> None:
        """Shows them; called a few times a second."""
        self._model = model
        rows = self.rows
        self.show_reason(self._why_no_add(), "Put a LoRA on the model", beside=self.known is not None)
        self.show_count(len(rows))
        fitting = self._fitting()
        for box, row in zip(self.boxes, rows, strict=True):
            known = next((info for info in self.known or () if info.name == row.name), None)
            tip = lora_tooltip(known) if known is not None else row.name
            box.show(row, fitting, tip, lora_problem(row, self.known, model))

    def new_row(self) -> Lora | None:
        """The first that is not on."""
        return new_lora(self._fitting(), self.rows)

    def new_box(self, number: int) -> Any:
        """The fields of a LoRA."""
        return _Box(number, self.change)

    def _fitting(self) -> list[LoraInfo]:
        return loras_for(self.known or (), [self._model])

    def _why_no_add(self) -> str:
        if self.known is None or self._model is None:
            return "The daemon has not told of its LoRAs yet."
        if len(self.rows) >= MOST_LORAS:
            return f"A picture takes {MOST_LORAS} LoRAs at most."
        if not self._fitting():
            return "No LoRA for this model was found."
        return "" if self.new_row() is not None else "All of them are on."


class _Box:
    """The fields of one LoRA."""

    def __init__(self, number: int, change: Callable[[int, Lora | None], None]) -> None:
        self._number, self._change = number, change
        self._row, self._showing = Lora(""), False
        self._name = widgets.LiveChoice("", lambda name: self._set(name=name))
        self._strength = Gtk.SpinButton.new_with_range(-_STRONGEST, _STRONGEST, 0.05)
        self._strength.set_digits(2)
        self._strength.set_tooltip_text("1 is as it was trained; below 0 it takes away what it would add")
        self._strength.connect("value-changed", lambda field: self._set(strength=round(field.get_value(), 2)))
        self._problem = Problem()
        remove = remove_button("Take it off", lambda: change(number, None))
        self.widget = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=4)
        fields = beside((self._name.widget, True), (self._strength, False), (remove, False))
        self.widget.pack_start(fields, False, False, 0)
        self.widget.pack_start(self._problem.widget, False, False, 0)

    def show(self, row: Lora, fitting: Sequence[LoraInfo], tip: str, problem: str) -> None:
        """Shows a row, and what there is to choose for it."""
        self._row, self._showing = row, True
        try:
            self._name.offer([(info.name, lora_title(info)) for info in fitting], row.name, row.name)
            self._name.widget.set_tooltip_text(tip)
            if abs(self._strength.get_value() - row.strength) > 1e-3:
                self._strength.set_value(row.strength)
            self._problem.show(problem)
        finally:
            self._showing = False

    def _set(self, **values: Any) -> None:
        if not self._showing:
            self._change(self._number, replace(self._row, **values))
