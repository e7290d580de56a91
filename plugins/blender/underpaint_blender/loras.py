# SPDX-License-Identifier: GPL-3.0-or-later
"""LoRAs: what the daemon has, and what the scene has put on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from underpaint.errors import UnderpaintError
from underpaint.host import lora_problem, lora_title, loras_for, new_lora, presets_for
from underpaint.types import Lora, LoraInfo

from . import controls, runtime


def known() -> tuple[LoraInfo, ...] | None:
    """Those of the daemon; None while it has not told."""
    return controls.known.loras


def fitting(settings: Any) -> list[LoraInfo]:
    """Those for the model that is chosen, or for the default ones."""
    return loras_for(known() or (), controls.models_of(settings))


def attached(settings: Any) -> tuple[Lora, ...]:
    """For `Settings.loras`; whether they fit is the daemon's to judge."""
    return tuple(Lora(item.lora, round(item.strength, 3)) for item in settings.loras)


def next_name(settings: Any) -> str:
    """The first that is not on; "" if there is none."""
    row = new_lora(fitting(settings), attached(settings))
    return row.name if row is not None else ""


def info_of(item: Any) -> LoraInfo | None:
    """What is known of an entry."""
    return next((info for info in known() or () if info.name == item.lora), None)


def title_of(item: Any) -> str:
    """An entry for the list."""
    info = info_of(item)
    return lora_title(info) if info is not None else item.lora


def words_of(item: Any) -> str:
    """The words that wake it, as a sentence; "" where nobody says any."""
    info = info_of(item)
    return f"Put into the prompt: {info.trigger}" if info is not None and info.trigger else ""


def problem(item: Any, settings: Any) -> str:
    """Why an entry cannot be used, as a sentence; "" if it can, as far as is known."""
    models = controls.models_of(settings)
    wrong = [lora_problem(Lora(item.lora), known(), model) for model in models]
    return "" if "" in wrong else wrong[0]


def preset_names(settings: Any) -> list[str]:
    """Presets of the models that can be used."""
    found = (one for model in controls.models_of(settings) for one in presets_for(model))
    return list(dict.fromkeys(one.name for one in found if not one.problem))


def learn() -> None:
    """Asks the daemon which there are."""

    def on_answer(found: Sequence[LoraInfo] | UnderpaintError) -> None:
        runtime.expect_answer(-1)
        if not isinstance(found, UnderpaintError):  # the models' answer says what is wrong
            controls.known.loras = tuple(found)
            runtime.redraw()

    runtime.expect_answer(1)
    runtime.session().loras(on_answer)
