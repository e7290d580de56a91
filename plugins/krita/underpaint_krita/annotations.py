# SPDX-License-Identifier: GPL-3.0-or-later
"""What a document keeps for us beside its layers: a .kra file has it again, and it is no undo step."""

from __future__ import annotations

from krita import Document


def read_note(document: Document, name: str) -> str:
    """The text of that name; "" if there is none."""
    return bytes(document.annotation(name)).decode("utf-8", "replace")


def keep_note(document: Document, name: str, about: str, text: str) -> None:
    """Keeps a text under that name, in place of what was there."""
    modified = document.modified()
    document.setAnnotation(name, about, text.encode())
    document.setModified(modified)  # nothing was painted that could be lost
