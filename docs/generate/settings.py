"""Settings of the daemon, from the settings themselves; and the variables that clients and hosts read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

from underpaint.daemon.settings import Settings, options, variable

OTHERS: Final = {
    "UNDERPAINT_CONFIG_DIR": "Launcher and client ids. Read by clients, hosts and the command line.",
    "UNDERPAINT_MODELS_DIR": "Where `underpaint models import` puts what it brings; `models` in the user's "
    "data folder, if nothing is said.",
    "UNDERPAINT_PIXELS": "Read by clients. `auto` maps files where client and daemon see the same ones; "
    "`chunks` sends pixels through the connection.",
    "UNDERPAINT_LOG": "Read by the plug-ins in Krita and GIMP. `debug` makes them say in the terminal what "
    "they do.",
}
"""Variables beyond the daemon's settings."""

_FOLDERS: Final = {
    "runtime_dir": "the user's run-time folder",
    "state_dir": "the user's state folder",
    "pixel_dir": "`pixels` in the state folder",
    "model_roots_file": "`model-roots.json` in the configuration folder",
    "policy_file": "`policy.json` in the machine's configuration folder",
}


def page() -> str:
    """The page."""
    rows = [
        f'| <span id="{option.name}"></span>`{variable(option.name)}` '
        f"| {_sentence(option)} | {_default(option)} |"
        for option in options()
    ]
    others = [f'| <span id="{name}"></span>`{name}` | {what} |' for name, what in OTHERS.items()]
    return "\n".join(
        [
            "# Settings",
            "",
            "Every setting of the daemon is an environment variable, and an argument of "
            "`python -m underpaint.daemon`: `UNDERPAINT_IDLE_TIMEOUT_S` is `--idle-timeout-s`. Arguments "
            "win. [Run the daemon](../../how-to/daemon.md) shows them at work. Times are in seconds; the "
            "names say which sizes are bytes and which are pixels. Folders in a list are separated by "
            f"`{os.pathsep}` (`;` on Windows), names by commas.",
            "",
            "| variable | what | default |",
            "| --- | --- | --- |",
            *rows,
            "",
            "## Variables of clients and hosts",
            "",
            "The folders above count for clients, too: they look for the daemon in `UNDERPAINT_RUNTIME_DIR`.",
            "",
            "| variable | what |",
            "| --- | --- |",
            *others,
            "",
        ]
    )


def _sentence(option: Any) -> str:
    text = option.metadata["help"].replace("|", "\\|")
    return f"{text[0].upper()}{text[1:]}."


def _default(option: Any) -> str:
    value = getattr(Settings(), option.name)
    if isinstance(value, Path):
        return _FOLDERS[option.name]  # where it is depends on the machine; say it in words
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(f"`{part}`" for part in value)
    return f"`{value}`" if value != "" else ""
