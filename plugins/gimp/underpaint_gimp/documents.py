# SPDX-License-Identifier: GPL-3.0-or-later
"""Images and layers with names that another process, and another day, can find again.

GIMP's own ids are numbers that start anew with each start of GIMP. An image gets an id of ours as a
parasite, which XCF files keep; layers have tattoos, which XCF files keep too.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

from gi.repository import Gimp

from underpaint.errors import PlaceGone
from underpaint.host import remembered
from underpaint.types import Provenance

PARASITE = "underpaint-document"
RECORDS = "underpaint-provenance"
_LARGEST_TATTOO = 2**32 - 1
PERSISTENT = 1  # of GIMP's flags for parasites: saved with the image. Not undoable, so no undo step.


def document_id(image: Any) -> str:
    """The id of `image`, made at first use. A copy (Image ▸ Duplicate) gets one of its own."""
    known = known_id(image)
    if known and not any(_is_older_twin(other, image, known) for other in Gimp.get_images()):
        return known
    made = uuid.uuid4().hex
    image.attach_parasite(Gimp.Parasite.new(PARASITE, PERSISTENT, made.encode("ascii")))
    return made


def known_id(image: Any) -> str:
    """The id of `image`, or nothing if it has none yet."""
    parasite = image.get_parasite(PARASITE)
    return bytes(parasite.get_data()).decode("ascii", "replace").rstrip("\0") if parasite else ""


def keep_record(image: Any, made: Provenance | None) -> None:
    """An XCF file keeps, as a parasite, how models made what is in it: the records one by one, as JSON."""
    if made is not None:
        parasite = image.get_parasite(RECORDS)
        before = bytes(parasite.get_data()).decode("ascii", "replace") if parasite else ""
        notes = remembered(before.rstrip("\0"), made).encode("ascii")
        image.attach_parasite(Gimp.Parasite.new(RECORDS, PERSISTENT, notes))


def find_image(document: str, first: Any) -> Any:
    """The open image of that id; `first` (or None) is looked at before all others. Raises `PlaceGone`."""
    nearest = [first] if first is not None and first.is_valid() else []
    for image in nearest + list(Gimp.get_images()) if document else ():
        if known_id(image) == document:
            return image
    raise PlaceGone(
        "The image of this picture is closed. Open it again and choose Filters ▸ Underpaint ▸ Fetch Results."
    )


def layers(image: Any) -> Iterator[Any]:
    """All layers from top to bottom, each group before its children."""
    return _walk(image.get_layers())


def find_layer(image: Any, layer_id: str) -> Any:
    """The layer with that tattoo. Raises `PlaceGone`."""
    tattoo = int(layer_id) if layer_id.isdecimal() else 0
    found = image.get_layer_by_tattoo(tattoo) if 0 < tattoo <= _LARGEST_TATTOO else None
    if found is None:
        raise PlaceGone("The layer that was chosen is gone: choose another one and try again.")
    return found


def layer_id(layer: Any) -> str:
    """The tattoo of a layer, for `find_layer`."""
    return str(layer.get_tattoo())


def _walk(items: list[Any]) -> Iterator[Any]:
    for item in items:
        yield item
        if item.is_group():
            yield from _walk(item.get_children())


def _is_older_twin(other: Any, image: Any, known: str) -> bool:
    return bool(other.get_id() < image.get_id() and known_id(other) == known)
