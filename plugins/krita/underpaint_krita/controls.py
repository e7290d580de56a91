# SPDX-License-Identifier: GPL-3.0-or-later
"""The controls of the active picture: what is attached, what there is to attach, what is wrong with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from krita import Document, Krita

from underpaint.errors import InvalidRequest, UnderpaintError
from underpaint.host import (
    MOST_ROWS,
    AttachedControl,
    ControlOffers,
    ControlRow,
    Extensions,
    Session,
    Task,
    TaskState,
    control_offers,
    pack_rows,
    role_title,
    roles_of,
    unpack_rows,
    why_no_controls,
)
from underpaint.types import ModelInfo, PreprocessorInfo

from .adapter import KritaAdapter
from .annotations import keep_note, read_note
from .documents import node_id

_ANNOTATION = "underpaint-controls"
_RECENT_S = 0.2
"""How long what was seen of the layers serves for showing: all of the docker asks in one go."""


class Models(Protocol):
    """Whoever knows the models: the controller."""

    def model(self, operation: str = "") -> ModelInfo | None:
        """The model that would be used for an operation, as far as it is known."""


class Controls:
    """Rows are an annotation of their document: a .kra file keeps it, and it is no undo step."""

    def __init__(
        self,
        adapter: KritaAdapter,
        models: Models,
        extensions: Callable[[], Extensions],
        changed: Callable[[], None],
    ) -> None:
        self._adapter, self._models, self._extensions, self._changed = adapter, models, extensions, changed
        self.preprocessors: tuple[PreprocessorInfo, ...] = ()
        """Those of the daemon; none while it has not told."""
        self._seen: tuple[float, ControlOffers] | None = None

    @property
    def rows(self) -> tuple[ControlRow, ...]:
        """What is attached to the active picture."""
        document = Krita.instance().activeDocument()
        return _noted(document) if document is not None else ()

    def keep(self, rows: tuple[ControlRow, ...]) -> None:
        """Attaches these instead."""
        document = Krita.instance().activeDocument()
        if document is None or rows == _noted(document):
            return
        keep_note(document, _ANNOTATION, "What pictures keep to", pack_rows(rows))
        self._seen = None
        self._changed()

    def change(self, number: int, row: ControlRow | None) -> None:
        """Puts `row` in the place of the one of that number; None takes it away."""
        rows = list(self.rows)
        rows[number : number + 1] = [row] if row is not None else []
        self.keep(tuple(rows))

    def add(self) -> None:
        """Attaches one more: the active layer, where it can be one."""
        document = Krita.instance().activeDocument()
        active = document.activeNode() if document is not None else None
        layer = node_id(active) if active is not None else ""
        row = self.offers().new_row(self.roles(), self.rows, layer=layer)
        if row is not None:
            self.keep((*self.rows, row))

    def offers(self) -> ControlOffers:
        """What there is to choose in the active picture; looks through its layers."""
        sources = self._extensions().control_sources_for(self._adapter)
        document = Krita.instance().activeDocument()
        some = document is not None and document.selection() is not None  # bounds take long where it is large
        return control_offers(self._adapter, sources, self.preprocessors, selected=lambda: some)

    def recent_offers(self) -> ControlOffers:
        """The same, as it was a moment ago: for showing, several times a second."""
        now = time.monotonic()
        if self._seen is None or now - self._seen[0] > _RECENT_S:
            self._seen = now, self.offers()
        return self._seen[1]

    def roles(self) -> tuple[str, ...]:
        """What the models for filling and for generating take."""
        return roles_of(map(self._models.model, ("txt2img", "inpaint")))

    def why_no_add(self) -> str:
        """Why nothing can be attached; "" if it can."""
        if Krita.instance().activeDocument() is None:
            return "Create or open a picture first."
        model = self._models.model()
        if model is None:
            return "Connect first: the models say which control images they take."
        if not self.roles():
            return why_no_controls(model)
        if len(self.rows) >= MOST_ROWS:
            return f"A picture keeps to {MOST_ROWS} images at most: remove one first."
        return ""

    def problem(self, operation: str) -> str:
        """Why what is attached cannot be used for an operation; "" if it can."""
        rows = self.rows
        if not rows:
            return ""
        offers, model = self.recent_offers(), self._models.model(operation)
        return next(filter(None, (offers.problem(row, model) for row in rows)), "")

    def attached(self) -> tuple[AttachedControl, ...]:
        """For `Settings.controls`. Raises `InvalidRequest` for a layer that is gone."""
        rows = self.rows
        return self.offers().attach(rows) if rows else ()

    def make_layer(self, session: Session, row: ControlRow, on_done: Callable[[Task], None]) -> Task:
        """Puts what the net would see on a layer, and attaches that instead, to be edited.

        Raises `InvalidRequest` for a layer that is gone.
        """
        (control,) = self.offers().attach([row])
        title = f"{role_title(row.role)}: {row.title}"

        def done(task: Task) -> None:
            if task.state is TaskState.PLACED:
                self._take(row, title)
            on_done(task)

        return session.control_layer(control, title, on_done=done)

    def _take(self, row: ControlRow, title: str) -> None:
        offers, rows = self.offers(), self.rows
        made = next((place for place in offers.places if place.title == title), None)
        if made is not None and row in rows:  # else the painter has changed it, and that counts
            self.change(rows.index(row), replace(offers.with_place(row, made), preprocessor=""))

    def ask(self, session: Session) -> None:
        """Asks the daemon what makes control images."""
        session.preprocessors(self._on_preprocessors)

    def _on_preprocessors(self, found: Sequence[PreprocessorInfo] | UnderpaintError) -> None:
        if not isinstance(found, UnderpaintError):  # the models' answer tells of a daemon that is lost
            self.preprocessors, self._seen = tuple(found), None
            self._changed()


def _noted(document: Document) -> tuple[ControlRow, ...]:
    try:
        return unpack_rows(read_note(document, _ANNOTATION))
    except InvalidRequest:
        return ()  # of a version to come
