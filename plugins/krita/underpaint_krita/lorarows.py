# SPDX-License-Identifier: GPL-3.0-or-later
"""The docker's list of LoRAs: which, and how much."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from underpaint.host import lora_title, lora_tooltip
from underpaint.types import Lora

from .controller import Controller
from .qt import Qt, QtWidgets
from .rowparts import RowBox, Section, combo, line, offer, set_quietly

_STRONGEST = 10.0


class LorasSection(Section):
    """What the model has on."""

    def __init__(self, controller: Controller) -> None:
        super().__init__(
            "LoRAs",
            "Small files that change a model: a style, a thing that it did not know",
            controller.loras.add,
            lambda number: LoraBox(controller, number),
        )
        self._controller = controller

    def update_state(self) -> None:
        """Shows what is on now."""
        loras = self._controller.loras
        self.show_reason(loras.why_no_add(), "Put a LoRA on the model", always=False)
        rows = loras.rows
        self.show_count(len(rows))
        for box, row in zip(self.rows, rows, strict=True):
            box.show_row(row)


class LoraBox(RowBox):
    """One LoRA."""

    def __init__(self, controller: Controller, number: int) -> None:
        super().__init__("Take it off", lambda: controller.loras.change(number, None))
        self._controller, self._number = controller, number
        self._row = Lora("")
        self.name = combo("", lambda name: self._change(name=name))
        self.strength = QtWidgets.QDoubleSpinBox()
        self.strength.setRange(-_STRONGEST, _STRONGEST)
        self.strength.setSingleStep(0.05)
        self.strength.setToolTip("1 is as it was trained; below 0 it takes away what it would add")
        self.strength.valueChanged.connect(lambda value: self._change(strength=round(value, 2)))
        self.column.addLayout(line((self.name, 1), (self.strength, 0), (self.remove, 0)))
        self.column.addWidget(self.problem)

    def show_row(self, row: Lora) -> None:
        """Shows a row, and what there is to choose for it."""
        self._row = row
        loras = self._controller.loras
        fitting = loras.fitting()
        offer(self.name, [(info.name, lora_title(info)) for info in fitting], row.name, row.name)
        for info in fitting:
            self.name.setItemData(
                self.name.findData(info.name), lora_tooltip(info), Qt.ItemDataRole.ToolTipRole
            )
        known = next((info for info in loras.known or () if info.name == row.name), None)
        self.name.setToolTip(lora_tooltip(known) if known is not None else row.name)
        set_quietly(self.strength, row.strength)
        self.show_problem(loras.problem_of(row))

    def _change(self, **values: Any) -> None:
        self._controller.loras.change(self._number, replace(self._row, **values))
