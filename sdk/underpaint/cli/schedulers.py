"""--scheduler-option and --preset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from underpaint.errors import InvalidRequest, Violation

SchedulerParameterOption = Annotated[
    list[str] | None,
    typer.Option(
        "--scheduler-option",
        metavar="KEY=VALUE",
        help="Set a number of the scheduler, for example eta=0.5; may be repeated. 'underpaint models "
        "schedulers' lists them.",
    ),
]
PresetOption = Annotated[
    str,
    typer.Option(
        "--preset",
        help="Scheduler, steps, guidance and LoRA that go together, for example lcm. 'underpaint models "
        "presets' lists them; what you set yourself goes before.",
    ),
]


def scheduler_parameters(options: list[str] | None) -> Mapping[str, float]:
    """The numbers of a command line. Raises `InvalidRequest`."""
    found: dict[str, float] = {}
    for option in options or ():
        name, equals, value = option.partition("=")
        try:
            found[name.strip().replace("-", "_")] = float(value)
        except ValueError:
            equals = ""
        if not equals or not name.strip():
            message = f"--scheduler-option takes KEY=NUMBER, for example eta=0.5, not {option[:60]!r}."
            raise InvalidRequest(message, violations=[Violation("scheduler-option", message)])
    return found
