"""Output and errors: tables and progress for people on stderr, JSON for programs on stdout."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from underpaint.errors import InvalidRequest, JobCancelled, UnderpaintError
from underpaint.host import describe
from underpaint.types import JobUpdate

Command = TypeVar("Command", bound=Callable[..., Any])

errors = Console(stderr=True, highlight=False)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text.")]

CANCELLED = 130
FAILED = 1
USAGE = 2


def guarded(command: Command) -> Command:
    """Turns our errors into one readable line, or JSON, and an exit code.

    2 for a wrong value, 130 for a cancelled job, 1 for everything else.
    """

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except UnderpaintError as error:
            report_error(error, as_json=bool(kwargs.get("as_json")))
            code = CANCELLED if isinstance(error, JobCancelled) else FAILED
            raise typer.Exit(USAGE if isinstance(error, InvalidRequest) else code) from error

    return run  # type: ignore[return-value]


def report_error(error: UnderpaintError, *, as_json: bool) -> None:
    """One error for a person on stderr, or for a program on stdout."""
    if as_json:
        fields = [violation._asdict() for violation in error.violations]
        print_json(
            {
                "error": {
                    "reason": error.reason,
                    "message": error.message,
                    "metadata": error.metadata,
                    "violations": fields,
                }
            }
        )
        return
    errors.print(f"[bold red]{error.reason}[/] ", end="")
    # Commands and paths in a message are there to be copied: no line is broken inside them.
    errors.print(error.message, markup=False, soft_wrap=True)
    for violation in error.violations:
        errors.print(f"  {violation.field}: {violation.description}", markup=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False, default=str)
    sys.stdout.write("\n")


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, empty: str) -> None:
    """A table on stdout, or a sentence where there are no rows."""
    if not rows:
        print(empty)
        return
    table = Table(*columns, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    # A pipe has no width: give programs like grep whole lines.
    width = None if sys.stdout.isatty() else 200
    Console(highlight=False, width=width, markup=False).print(table)


@contextmanager
def progress_bar(*, quiet: bool) -> Iterator[Callable[[JobUpdate], None]]:
    """A bar on stderr; yields the function that gets updates. Nothing is drawn if `quiet`."""
    columns = (TextColumn("{task.description:<24}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=errors, disable=quiet, transient=True) as bar:
        task = bar.add_task("starting", total=1.0)

        def show(update: JobUpdate) -> None:
            bar.update(task, completed=update.progress.fraction, description=describe(update))

        yield show
