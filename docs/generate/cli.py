"""The command line: every command, argument and option, as the program itself declares them."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from underpaint.cli.app import app

PROGRAM = "underpaint"


def commands() -> Iterator[tuple[str, Any]]:
    """Every command by its full name, `underpaint` first; groups come before what is in them."""
    yield from _below(PROGRAM, get_command(app))


def options(command: Any) -> Iterator[tuple[str, Any]]:
    """A command's options by their longest name, `--help` aside: every command has that."""
    for parameter in command.params:
        if parameter.param_type_name == "option" and "--help" not in parameter.opts:
            yield max([*parameter.opts, *parameter.secondary_opts], key=len), parameter


def page() -> str:
    """The page."""
    parts = [
        "# Command line\n\nEvery command takes `--help`. Exit codes: 0 it worked, 1 it did not, 2 a value "
        "was wrong, 130 the job was cancelled. With `--json`, errors come as JSON on standard output too.\n"
    ]
    for name, command in commands():
        parts.append(f"## {name} {{ #{anchor(name)} }}\n")
        if name == PROGRAM:
            parts.append("    " + f"{PROGRAM} [OPTIONS] COMMAND …\n")
        else:
            parts.append("    " + _usage(name, command) + "\n")
        parts.append(_text(command.help or "") + "\n")
        parts.append(_table(name, command))
    return "\n".join(parts)


def anchor(command: str, option: str = "") -> str:
    """The place of a command, or of one of its options, on the page."""
    return "-".join([*command.split(), *option.strip("-").split("-")]).rstrip("-")


def _below(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    yield name, command
    for child, inner in sorted(getattr(command, "commands", {}).items()):
        yield from _below(f"{name} {child}", inner)


def _usage(name: str, command: Any) -> str:
    given = []
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            shown = (parameter.metavar or parameter.name).upper() + (" …" if parameter.nargs == -1 else "")
            given.append(shown if parameter.required else f"[{shown}]")
    tail = ["COMMAND …"] if hasattr(command, "commands") else given
    return " ".join([name, "[OPTIONS]", *tail])


def _text(text: str) -> str:
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))


def _table(name: str, command: Any) -> str:
    rows = []
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            shown = (parameter.metavar or parameter.name).upper()
            rows.append(f"| `{shown}` | {_help(parameter)} |")
    for option, parameter in options(command):
        names = ", ".join(f"`{given}`" for given in [*parameter.opts, *parameter.secondary_opts])
        value = "" if parameter.is_flag else f" `{_metavar(parameter)}`"
        what = _help(parameter) + _default(parameter)
        rows.append(f'| <span id="{anchor(name, option)}"></span>{names}{value} | {what} |')
    return "\n".join(["| | |", "| --- | --- |", *rows, ""]) if rows else ""


def _metavar(parameter: Any) -> str:
    if isinstance(parameter.default, enum.Enum):
        return "/".join(str(choice.value) for choice in type(parameter.default))
    return str(parameter.metavar or parameter.name.upper())


def _help(parameter: Any) -> str:
    text = " ".join((getattr(parameter, "help", None) or "").split()).replace("|", "\\|")
    return text + (" Required." if parameter.required and parameter.param_type_name == "option" else "")


def _default(parameter: Any) -> str:
    default = getattr(parameter.default, "value", parameter.default)
    if parameter.is_flag or default in (None, "", ()) or callable(default):
        return ""
    return f" Default: `{default}`."
