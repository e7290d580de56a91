# SPDX-License-Identifier: GPL-3.0-or-later
"""*Make Control Layer*: of what, and how; the image goes onto a layer, to be looked at and edited."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from underpaint.errors import UnderpaintError
from underpaint.host import ControlRow, Session
from underpaint.types import PreprocessorInfo

from . import controls, documents, widgets
from .adapter import GimpAdapter
from .arguments import LAYER
from .dialog import POLL_MS, GimpUi, GLib, Gtk


def ask(procedure: Any, config: Any, session: Session, adapter: GimpAdapter) -> bool:
    """Shows the dialog until it is closed; whether to go on. `config` then holds what was chosen."""
    GimpUi.init("underpaint")
    return ControlDialog(procedure, config, session, adapter).run()


class ControlDialog:
    """Two lists: what is in the image, and what the daemon can make of it."""

    def __init__(self, procedure: Any, config: Any, session: Session, adapter: GimpAdapter) -> None:
        self._config, self._session, self._adapter = config, session, adapter
        self._known: Sequence[PreprocessorInfo] | UnderpaintError | None = None
        title = procedure.get_menu_label().replace("_", "").rstrip("…")
        self._window = GimpUi.ProcedureDialog.new(procedure, config, title)
        self._window.set_ok_label("_Make")
        self._window.set_default_size(400, -1)
        selected = next(iter(adapter.image.get_selected_layers()), None)
        layer = documents.layer_id(selected) if selected is not None else ""
        self._row = controls.offers_of(adapter).new_row(["line-art"], layer=layer) or ControlRow(role="")
        self._place = widgets.LiveChoice("What the control image is made of", self._on_place)
        self._made = widgets.LiveChoice("How it is made", self._on_made)
        form = widgets.Form()
        form.add("_Of", self._place.widget)
        form.add("_As", self._made.widget)
        self._status = widgets.Status(self._look)
        box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=12, border_width=12)
        box.pack_start(form.widget, False, False, 0)
        box.pack_start(self._status.widget, False, False, 0)
        box.show_all()
        self._window.get_content_area().pack_start(box, True, True, 0)
        self._window.set_response_sensitive(Gtk.ResponseType.OK, False)

    def run(self) -> bool:
        """Whether the user wants the layer."""
        self._look()
        self._refresh()
        timer = GLib.timeout_add(POLL_MS, self._refresh)
        try:
            return bool(self._window.run())
        finally:
            GLib.source_remove(timer)
            self._window.destroy()

    def _look(self) -> None:
        self._known = None
        self._session.preprocessors(self._on_known)

    def _on_known(self, found: Sequence[PreprocessorInfo] | UnderpaintError) -> None:
        self._known = found
        if not isinstance(found, UnderpaintError):
            names = [one.name for one in found]
            suited = controls.offers_of(self._adapter, found).preprocessors_for("line-art")
            last = self._config.get_property("control-preprocessor")
            chosen = last if last in names else next((one.name for one in suited), "")
            self._config.set_property("control-preprocessor", chosen)
        self._refresh()

    def _refresh(self) -> bool:
        known = () if self._known is None or isinstance(self._known, UnderpaintError) else self._known
        offers = controls.offers_of(self._adapter, known)
        place = offers.place_of(self._row)
        # No argument names a choice of a plug-in's source.
        entries = [(p.key, p.title) for p in offers.places if not p.choice or p.source.name == LAYER]
        self._place.offer(entries, place.key if place is not None else "", self._row.title)
        titles = [(one.name, one.title or one.name) for one in known if one.role != "mask"]
        self._made.offer(titles, self._config.get_property("control-preprocessor"), "")
        problem = offers.problem(self._row, None)
        if isinstance(self._known, UnderpaintError):
            problem = self._known.message
        if place is not None:
            controls.set_image(self._config, self._adapter, place)
        busy = self._known is None
        waiting = "Looking for the underpaint daemon…" if busy else ""
        self._status.show(problem or waiting, problem=bool(problem), busy=busy)
        self._status.offer_retry(isinstance(self._known, UnderpaintError))
        ready = not problem and not busy
        button = self._window.get_widget_for_response(Gtk.ResponseType.OK)
        if ready and not button.get_sensitive():
            self._window.set_response_sensitive(Gtk.ResponseType.OK, True)
            button.grab_focus()  # Enter makes it; on a list it would open that
        self._window.set_response_sensitive(Gtk.ResponseType.OK, ready)
        return bool(GLib.SOURCE_CONTINUE)

    def _on_place(self, key: str) -> None:
        offers = controls.offers_of(self._adapter)
        place = next((one for one in offers.places if one.key == key), None)
        if place is not None:
            self._row = offers.with_place(self._row, place)

    def _on_made(self, name: str) -> None:
        self._config.set_property("control-preprocessor", name)
