# SPDX-License-Identifier: GPL-3.0-or-later
"""The last prompt and settings.

GIMP remembers a procedure's arguments only when it succeeded; a prompt must also survive a daemon that was
missing and a job that was cancelled. So they are kept as a parasite of GIMP itself, in its parasiterc.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from gi.repository import Gimp

from .arguments import REMEMBERED
from .ownverbs import names_of

_PERSISTENT = 1


def recall(name: str, config: Any) -> None:
    """Sets the arguments of procedure `name` to what they were the last time."""
    values = _load(name)
    for key in _keys(name, config):
        if isinstance(values.get(key), type(config.get_property(key))):
            config.set_property(key, values[key])


def remember(name: str, config: Any) -> None:
    """Keeps the arguments of procedure `name`."""
    _save(name, {key: config.get_property(key) for key in _keys(name, config)})


def keep_notes(name: str, notes: Sequence[str]) -> None:
    """Keeps what the daemon said about the last picture of procedure `name`."""
    _save(f"{name}-notes", {"notes": list(notes)})


def last_notes(name: str) -> str:
    """What the daemon said about the last picture of procedure `name`."""
    notes = _load(f"{name}-notes").get("notes")
    return " ".join(str(note) for note in notes) if isinstance(notes, list) else ""


def _keys(name: str, config: Any) -> list[str]:
    keys = dict.fromkeys((*REMEMBERED, *names_of(name)))
    return [key for key in keys if config.find_property(key) is not None]


def _load(name: str) -> dict[str, Any]:
    parasite = Gimp.get_parasite(name)
    if parasite is None:
        return {}
    try:
        values = json.loads(bytes(parasite.get_data()))
    except ValueError:
        return {}  # Not ours, or of an older version: the defaults will do.
    return values if isinstance(values, dict) else {}


def _save(name: str, values: dict[str, Any]) -> None:
    Gimp.attach_parasite(Gimp.Parasite.new(name, _PERSISTENT, json.dumps(values).encode()))
