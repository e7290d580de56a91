# SPDX-License-Identifier: GPL-3.0-or-later
"""The LoRAs that the painter has put on: what there is, what is chosen, what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from underpaint.errors import UnderpaintError
from underpaint.host import (
    MOST_LORAS,
    Session,
    lora_problem,
    loras_for,
    new_lora,
    pack_loras,
    preset_problem,
    unpack_loras,
)
from underpaint.types import Lora, LoraInfo, ModelInfo

from .choices import Choices

_OPERATIONS = ("txt2img", "inpaint")


class Chooser(Protocol):
    """Whoever keeps the choices and knows the models: the controller."""

    choices: Choices

    def choose(self, **values: object) -> None:
        """Changes some of the choices."""

    def model(self, operation: str = "") -> ModelInfo | None:
        """The model that would be used for an operation, as far as it is known."""


class Loras:
    """Rows are one of the choices, so they outlive the picture, as the model does."""

    def __init__(self, chooser: Chooser, changed: Callable[[], None]) -> None:
        self._chooser, self._changed = chooser, changed
        self.known: tuple[LoraInfo, ...] | None = None
        """Those of the daemon; None while it has not told."""

    @property
    def rows(self) -> tuple[Lora, ...]:
        """What is on."""
        return unpack_loras(self._chooser.choices.loras)

    def change(self, number: int, row: Lora | None) -> None:
        """Puts `row` in the place of the one of that number; None takes it off."""
        rows = list(self.rows)
        rows[number : number + 1] = [row] if row is not None else []
        self._chooser.choose(loras=pack_loras(rows))

    def add(self) -> None:
        """One more, the first that is not on."""
        row = new_lora(self.fitting(), self.rows)
        if row is not None:
            self.change(len(self.rows), row)

    def fitting(self) -> list[LoraInfo]:
        """Those for the models that would be used."""
        return loras_for(self.known or (), map(self._chooser.model, _OPERATIONS))

    def why_no_add(self) -> str:
        """Why there can be no other; "" if there can."""
        if self.known is None:
            return "Connect first: the daemon says which LoRAs there are."
        if len(self.rows) >= MOST_LORAS:
            return f"A picture takes {MOST_LORAS} LoRAs at most: take one off first."
        fitting = self.fitting()
        if not fitting:
            return "No LoRA for this model was found: “underpaint models loras” lists those that there are."
        return "" if new_lora(fitting, self.rows) is not None else "All of them are on."

    def problem_of(self, row: Lora) -> str:
        """What is wrong with a LoRA for every model that would be used; "" if one of them takes it."""
        wrong = [lora_problem(row, self.known, self._chooser.model(one)) for one in _OPERATIONS]
        return "" if "" in wrong else wrong[0]

    def problem(self, operation: str) -> str:
        """Why LoRAs or preset cannot be used for an operation; "" if they can."""
        model = self._chooser.model(operation)
        wrong = (lora_problem(row, self.known, model) for row in self.rows)
        return next(filter(None, wrong), "") or preset_problem(self._chooser.choices.preset, model)

    def ask(self, session: Session) -> None:
        """Asks the daemon which there are."""
        session.loras(self._on_loras)

    def _on_loras(self, found: Sequence[LoraInfo] | UnderpaintError) -> None:
        if not isinstance(found, UnderpaintError):  # the models' answer tells of a daemon that is lost
            self.known = tuple(found)
            self._changed()
