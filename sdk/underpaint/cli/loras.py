"""--lora: a LoRA and its strength."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from underpaint.types import Lora

LoraOption = Annotated[
    list[str] | None,
    typer.Option(
        "--lora",
        metavar="NAME[:STRENGTH]",
        help="Change the model by this LoRA, for example ink:0.8; may be repeated. A name from 'underpaint "
        "models loras' or a file.",
    ),
]


def loras(options: list[str] | None) -> tuple[Lora, ...]:
    """The LoRAs of a command line."""
    return tuple(_lora(option) for option in options or ())


def _lora(option: str) -> Lora:
    name, colon, number = option.rpartition(":")
    try:
        strength = float(number) if colon else 1.0
    except ValueError:
        # A colon of the name itself, after a drive's letter for example.
        name, strength = option, 1.0
    name = name if colon else option
    # A relative path means something here and nothing in the daemon.
    return Lora(str(Path(name).resolve()) if Path(name).is_file() else name, strength)
