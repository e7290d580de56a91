# SPDX-License-Identifier: GPL-3.0-or-later
"""What an image keeps for us as parasites, which XCF files keep; it is no step for undo."""

from __future__ import annotations

from typing import Any

from gi.repository import Gimp

from . import documents


def read_note(image: Any, name: str) -> str:
    """The text of that name; "" if there is none."""
    parasite = image.get_parasite(name)
    return bytes(parasite.get_data()).decode("utf-8", "replace").rstrip("\0") if parasite else ""


def keep_note(image: Any, name: str, text: str) -> None:
    """Keeps a text under that name, in place of what was there; "" for none."""
    if text:
        image.attach_parasite(Gimp.Parasite.new(name, documents.PERSISTENT, text.encode()))
    elif image.get_parasite(name) is not None:
        image.detach_parasite(name)
