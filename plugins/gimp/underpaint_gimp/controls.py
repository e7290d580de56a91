# SPDX-License-Identifier: GPL-3.0-or-later
"""Layers that pictures keep to: as arguments of a procedure, and as an image remembers them.

An image keeps its rows as a parasite, which XCF files keep; layers are named by their tattoos.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from gi.repository import GLib

from underpaint.errors import InvalidRequest, UnderpaintError, Violation
from underpaint.host import (
    AttachedControl,
    ControlOffers,
    ControlPlace,
    ControlRow,
    Session,
    control_offers,
    pack_rows,
    unpack_rows,
)
from underpaint.types import PreprocessorInfo

from . import documents, verbs
from .adapter import GimpAdapter
from .arguments import AUTO, LAYER, NONE, text_of
from .channels import CHANNELS
from .notes import keep_note, read_note

PARASITE = "underpaint-controls"


def attached(config: Any, adapter: GimpAdapter, session: Session) -> tuple[AttachedControl, ...]:
    """What the arguments name, as settings have it; asks the daemon where `auto` has to be decided.

    Raises `InvalidRequest`, or why the daemon cannot be asked.
    """
    rows = list(unpack_rows(text_of(config, "controls")))
    if role := text_of(config, "control-role").strip():
        shares = {name: config.get_property(f"control-{name}") for name in ("strength", "start", "end")}
        rows.insert(0, replace(image_row(config, adapter, session, role), **shares))
    return offers_of(adapter).attach(rows) if rows else ()


def image_row(config: Any, adapter: GimpAdapter, session: Session, role: str) -> ControlRow:
    """The row that the plain arguments describe, for a role."""
    source, choice, title = text_of(config, "control-source").strip() or LAYER, "", ""
    if source == LAYER:
        selected = next(iter(adapter.image.get_selected_layers()), None)
        layer = config.get_property("control-layer") or selected
        if layer is None:
            wrong = Violation("control-layer", "is missing, and no layer is selected")
            raise InvalidRequest("Name the layer that the picture shall keep to.", violations=[wrong])
        choice, title = documents.layer_id(layer), layer.get_name()
    row = ControlRow(role=role, source=source, choice=choice, title=title)
    chosen = text_of(config, "control-preprocessor").strip()
    if chosen == AUTO:
        # As a row of another role that becomes one of this role.
        return ControlOffers((), preprocessors(session)).with_role(replace(row, role=""), role)
    return replace(row, preprocessor="" if chosen == NONE else chosen)


def layer_row(config: Any, adapter: GimpAdapter, session: Session) -> ControlRow:
    """The row that *Make Control Layer* is for; the arguments then say what was meant by their defaults."""
    row = image_row(config, adapter, session, "line-art")
    config.set_property("control-preprocessor", row.preprocessor or NONE)
    if row.source == LAYER:
        config.set_property("control-layer", documents.find_layer(adapter.image, row.choice))
    return row


def take(image: Any, config: Any, made: Any) -> None:
    """Lets the image keep to the layer `made`, where it kept to what that was made of."""
    source, layer = text_of(config, "control-source") or LAYER, config.get_property("control-layer")
    choice = documents.layer_id(layer) if source == LAYER and layer is not None else ""
    was = source, choice, text_of(config, "control-preprocessor")
    new = {"source": LAYER, "choice": documents.layer_id(made), "title": made.get_name(), "preprocessor": ""}
    rows = rows_of(image)
    remember(
        image,
        [replace(row, **new) if (row.source, row.choice, row.preprocessor) == was else row for row in rows],
    )


def set_image(config: Any, adapter: GimpAdapter, place: ControlPlace) -> None:
    """Names a part of the image in the plain arguments."""
    config.set_property("control-source", place.source.name)
    layer = documents.find_layer(adapter.image, place.choice) if place.source.name == LAYER else None
    config.set_property("control-layer", layer)


def offers_of(adapter: GimpAdapter, known: Iterable[PreprocessorInfo] = ()) -> ControlOffers:
    """What there is to choose in the image."""
    sources = [*verbs.extensions().control_sources_for(adapter), CHANNELS]
    return control_offers(adapter, sources, known)


def preprocessors(session: Session) -> tuple[PreprocessorInfo, ...]:
    """Those of the daemon; turns the main loop until it has answered. Raises why it cannot."""
    loop = GLib.MainLoop()
    answers: list[Sequence[PreprocessorInfo] | UnderpaintError] = []

    def on_answer(found: Sequence[PreprocessorInfo] | UnderpaintError) -> None:
        answers.append(found)
        loop.quit()

    session.preprocessors(on_answer)
    loop.run()
    if isinstance(answers[0], UnderpaintError):
        raise answers[0]
    return tuple(answers[0])


def recall(image: Any, config: Any) -> None:
    """Sets the arguments to what this image keeps to: GIMP's own last values may be another image's."""
    if config.find_property("controls") is not None:
        config.set_property("control-role", "")
        config.set_property("controls", pack_rows(rows_of(image)))


def rows_of(image: Any) -> tuple[ControlRow, ...]:
    """What an image keeps to."""
    try:
        return unpack_rows(read_note(image, PARASITE))
    except InvalidRequest:
        return ()  # of a version to come


def remember(image: Any, rows: Iterable[ControlRow]) -> None:
    """Keeps them with the image, which is no step for undo."""
    keep_note(image, PARASITE, pack_rows(rows))
