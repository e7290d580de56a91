"""bench: speed as ratios within one run, never as absolute promises."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Annotated

import typer

from underpaint.cli.console import JsonOption, print_json, print_table
from underpaint.cli.measure import Figure, calls, models, pixels, start


class Part(str, enum.Enum):
    """Parts of the benchmark."""

    START = "start"
    CALLS = "calls"
    PIXELS = "pixels"
    MODELS = "models"


PARTS: dict[Part, Callable[[int], Iterator[Figure]]] = {
    Part.START: start.measure,
    Part.CALLS: calls.measure,
    Part.PIXELS: pixels.measure,
    Part.MODELS: models.measure,
}


def bench(
    parts: Annotated[list[Part] | None, typer.Argument(help="What to measure. [default: all of it]")] = None,
    rounds: Annotated[int, typer.Option(min=7, help="Rounds; the median counts.")] = 9,
    as_json: JsonOption = False,
) -> None:
    """Measure underpaint against what it could at best be, in one run on this machine.

    Every figure names its budget. A daemon of its own is started in a scratch folder, without a model; the
    one that you use is left alone. Ends with 1 if a budget is missed.
    """
    figures = [figure for part in parts or list(Part) for figure in PARTS[part](rounds)]
    if as_json:
        print_json([asdict(figure) | {"met": figure.met} for figure in figures])
    else:
        rows = [
            ("ok" if f.met else "!!", f.what, f"{f.value:.2f} {f.unit}", f"≤ {f.budget:g} {f.unit}", f.detail)
            for f in figures
        ]
        print_table(("", "what", "measured", "budget", "detail"), rows, empty="Nothing was measured.")
    if not all(figure.met for figure in figures):
        raise typer.Exit(1)
