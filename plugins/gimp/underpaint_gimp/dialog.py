# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person sees before a picture is painted.

The window stays usable while the daemon is looked for. When its button is grey, the line above says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gi

gi.require_version("Gdk", "3.0")
gi.require_version("Gtk", "3.0")
gi.require_version("GimpUi", "3.0")
from gi.repository import Gdk, GimpUi, GLib, Gtk  # noqa: E402 - versions come first

from underpaint.errors import UnderpaintError  # noqa: E402
from underpaint.host import Session, presets_for  # noqa: E402
from underpaint.types import LoraInfo, ModelInfo, ModelList, PreprocessorInfo  # noqa: E402

from . import remembered, widgets  # noqa: E402
from .adapter import GimpAdapter  # noqa: E402
from .arguments import LAYER, WORDS, operation_of, seed_of  # noqa: E402
from .controlrows import ControlList  # noqa: E402
from .lorarows import LoraList  # noqa: E402
from .regionrows import RegionList  # noqa: E402
from .regions import has_regions  # noqa: E402

POLL_MS = 400
"""How often the selection is looked at; GIMP tells plug-ins about no changes."""


def ask(procedure: Any, config: Any, session: Session, adapter: GimpAdapter) -> bool:
    """Shows the dialog until it is closed; whether to paint. `config` then holds what was chosen."""
    GimpUi.init("underpaint")
    return PaintDialog(procedure, config, session, adapter).run()


class PaintDialog:
    """One call of *Fill Selection* or *Generate*; *More Verbs* has fields of its own (see `more`)."""

    def __init__(self, procedure: Any, config: Any, session: Session, adapter: GimpAdapter) -> None:
        self._config, self._session, self._adapter = config, session, adapter
        self._is_fill = operation_of(config) == "inpaint"
        self._models: ModelList | UnderpaintError | None = None
        self._notes = remembered.last_notes(procedure.get_name())
        title = procedure.get_menu_label().replace("_", "").rstrip("…")
        self._window = GimpUi.ProcedureDialog.new(procedure, config, title)
        self._window.set_ok_label(self._ok_label())
        self._window.set_default_size(440, -1)
        self._window.get_content_area().pack_start(self._build(), True, True, 0)
        self._window.connect("key-press-event", self._on_key)
        config.connect("notify", lambda *_: self._refresh())

    def run(self) -> bool:
        """Whether the user wants the picture."""
        self._look()
        self._refresh()
        if self._prompt is not None:
            self._prompt.get_child().grab_focus()
        timer = GLib.timeout_add(POLL_MS, self._refresh)
        try:
            return bool(self._window.run())
        finally:
            GLib.source_remove(timer)
            self._window.destroy()

    def _build(self) -> Any:
        config = self._config
        form = widgets.Form()
        self._prompt = None
        if config.find_property("prompt") is not None:
            self._prompt = widgets.text_area(config, "prompt", "Enter paints; Shift+Enter begins a new line")
        self._add_fields(form)
        more = widgets.Form()
        self._model = widgets.NameChoice(config, "model", "The daemon's default")
        more.add("_Model", self._model.widget)
        more.add("_Avoid", widgets.entry(config, "negative-prompt", "What to keep out of the picture"))
        more.add("Se_ed", widgets.seed(config, "seed"))
        more.add("S_teps", widgets.spin(config, "steps", 1, 0, "0: the model's default"))
        more.add("_Guidance", widgets.spin(config, "guidance-scale", 0.5, 1, "0: the model's default"))
        self._scheduler = widgets.NameChoice(config, "scheduler", "The model's default")
        more.add("S_cheduler", self._scheduler.widget)
        self._preset = widgets.NameChoice(config, "preset", "None")
        more.add("Pre_set", self._preset.widget)
        self._status = widgets.Status(self._look)
        box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=12, border_width=12)
        box.pack_start(form.widget, True, True, 0)
        self._controls = ControlList(config, self._adapter)
        self._loras = LoraList(config)
        self._lists: dict[str, Any] = {"Co_ntrols": self._controls}
        if has_regions(config):
            self._lists["Reg_ions"] = RegionList(config, self._adapter)
        self._lists["LoRA_s"] = self._loras
        for label, rows in self._lists.items():
            unfolded = widgets.expander(label, rows.widget)
            unfolded.set_expanded(bool(rows.rows))
            box.pack_start(unfolded, False, False, 0)
        box.pack_start(widgets.expander("M_ore", more.widget), False, False, 0)
        box.pack_start(self._status.widget, False, False, 0)
        box.show_all()
        return box

    def _ok_label(self) -> str:
        return "_Fill" if self._is_fill else "_Generate"

    def _add_fields(self, form: widgets.Form) -> None:
        config = self._config
        form.add("_Prompt", self._prompt)
        if not self._is_fill:
            form.add("St_art from", widgets.choice(config, "source", widgets.SOURCES))
            self._layers = widgets.layer_choice(config, self._adapter.image)
            form.add("_Layer", self._layers)
        most = "is as fits the model" if self._is_fill else "ignores what is there"
        self._strength = widgets.percent(config, "strength", f"How much may change: 100 % {most}")
        form.add("St_rength", self._strength)

    def _refresh_fields(self) -> None:
        if not self._is_fill:
            source = self._config.get_property("source")
            self._layers.set_sensitive(source == LAYER)
            self._strength.set_sensitive(source != WORDS)

    def _look(self) -> None:
        self._models = None
        self._session.models(self._on_models)
        self._session.preprocessors(self._on_preprocessors)
        self._session.loras(self._on_loras)

    def _on_models(self, models: ModelList | UnderpaintError) -> None:
        self._models = models
        self._refresh()

    def _on_preprocessors(self, found: Sequence[PreprocessorInfo] | UnderpaintError) -> None:
        if not isinstance(found, UnderpaintError):  # the models' answer says what is wrong
            self._controls.preprocessors = tuple(found)
            self._refresh()

    def _on_loras(self, found: Sequence[LoraInfo] | UnderpaintError) -> None:
        if not isinstance(found, UnderpaintError):
            self._loras.known = tuple(found)
            self._refresh()

    def _refresh(self) -> bool:
        """Brings everything in line with the configuration, the selection and the daemon."""
        self._refresh_fields()
        if isinstance(self._models, ModelList):
            self._show_models(self._models)
        for rows in self._lists.values():
            rows.refresh(self._chosen_model())
        problem = self._problem()
        self._status.show(problem or self._state(), problem=bool(problem), busy=self._models is None)
        self._status.offer_retry(isinstance(self._models, UnderpaintError))
        self._window.set_response_sensitive(Gtk.ResponseType.OK, not problem)
        return bool(GLib.SOURCE_CONTINUE)

    def _show_models(self, models: ModelList) -> None:
        operation = operation_of(self._config)
        able = [model for model in models.models if not operation or operation in model.operations]
        fitting = [model for model in able if not model.problem]
        self._model.offer({model.name: model.title or model.name for model in fitting})
        model = self._chosen_model()
        self._scheduler.offer({name: name for name in model.schedulers} if model else {})
        usable = [preset for preset in presets_for(model) if not preset.problem]
        self._preset.offer({preset.name: preset.title or preset.name for preset in usable})

    def _chosen_model(self) -> ModelInfo | None:
        if not isinstance(self._models, ModelList):
            return None
        return self._models.get(self._config.get_property("model") or self._default(self._models))

    def _default(self, models: ModelList) -> str:
        return models.default_inpaint_model if self._is_fill else models.default_model

    def _problem(self) -> str:
        """Why there can be no picture now; empty if there can."""
        try:
            if refused := self._refusal():
                return refused
            seed_of(self._config)
        except UnderpaintError as problem:
            return problem.message
        if isinstance(self._models, UnderpaintError):
            return self._models.message
        if isinstance(self._models, ModelList):
            operation = operation_of(self._config)
            if operation and not any(operation in model.operations for model in self._models.models):
                return "No installed model can do this: `underpaint models list` shows what there is."
        return next(filter(None, (rows.problem() for rows in self._lists.values())), "")

    def _refusal(self) -> str:
        """What the image lacks; empty if nothing."""
        canvas = self._adapter.canvas()
        if self._is_fill and self._adapter.selection_bounds(canvas.document_id) is None:
            return "Nothing is selected: select the part of the picture to fill."
        return ""

    def _state(self) -> str:
        if not isinstance(self._models, ModelList):
            return "Looking for the underpaint daemon…"
        name = self._config.get_property("model") or self._default(self._models)
        model = self._models.get(name)
        title = (model.title if model else "") or name
        return f"Ready: {title}." + (f" Last time: {self._notes}" if self._notes else "")

    def _on_key(self, window: Any, event: Any) -> bool:
        if event.keyval not in (Gdk.KEY_Return, Gdk.KEY_KP_Enter):
            return False
        control = bool(event.state & Gdk.ModifierType.CONTROL_MASK)
        shift = bool(event.state & Gdk.ModifierType.SHIFT_MASK)
        if control or (not shift and isinstance(window.get_focus(), Gtk.TextView)):
            if not self._problem():
                window.response(Gtk.ResponseType.OK)
            return True
        return False
