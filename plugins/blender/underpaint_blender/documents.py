# SPDX-License-Identifier: GPL-3.0-or-later
"""Which image is which document, while images are renamed, replaced, undone, and saved in other files."""

from __future__ import annotations

from pathlib import Path

import bpy

from underpaint.errors import NoDocument, PlaceGone

LONGEST = 250
"""Bytes of a document id."""


class Documents:
    """Names a document after file and image as they were when it was first asked for.

    The name stays as long as the file is open; opened again, file and image decide.
    """

    def __init__(self) -> None:
        self._known: dict[str, list[int]] = {}
        """Session uids, the newest last: a result is a new datablock, and undo brings the old one back."""

    def id_of(self, image: bpy.types.Image) -> str:
        """The id of this image's document."""
        for document_id in self._known:
            if self._newest(document_id) == image:
                return document_id
        base = found = _name(image)
        number = 1
        while found in self._known:
            number += 1
            found = f"{base}|{number}"
        self._known[found] = [image.session_uid]
        return found

    def find(self, document_id: str) -> bpy.types.Image:
        """The image that is this document now. Raises `PlaceGone`, `NoDocument` for a texture's."""
        if not document_id:
            raise NoDocument("A new texture has no picture yet to look at: choose an image instead.")
        if document_id in self._known:
            image = self._newest(document_id)
        else:
            image = next((one for one in bpy.data.images if _name(one) == document_id), None)
            if image is not None and self.id_of(image) != document_id:
                image = None  # it was another document before it got this name
        if image is None:
            raise PlaceGone(f"The image {document_id.partition('|')[2]} is no longer in this file.")
        return image

    def replaced(self, document_id: str, made: bpy.types.Image) -> None:
        """`made` is the document from now on, and after a redo."""
        self._known[document_id].append(made.session_uid)

    def forget(self) -> None:
        """Another file was opened: uids are new, names count."""
        self._known.clear()

    def _newest(self, document_id: str) -> bpy.types.Image | None:
        uids = self._known[document_id]
        living = {image.session_uid: image for image in bpy.data.images if image.session_uid in uids}
        return next((living[uid] for uid in reversed(uids) if uid in living), None)


def _name(image: bpy.types.Image) -> str:
    name = f"{Path(bpy.data.filepath).name}|{image.name_full}"
    return name.encode()[-LONGEST:].decode(errors="ignore")
