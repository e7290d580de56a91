# SPDX-License-Identifier: GPL-3.0-or-later
"""The dialogs of verbs: *More Verbs*, for those that plug-ins have added, and one for each of our own."""

from __future__ import annotations

import json
from typing import Any

from underpaint.errors import UnderpaintError
from underpaint.hookspecs import Verb
from underpaint.host import Session, fields_of, missing, tooltip_of
from underpaint.types import Parameter

from . import ownverbs, verbs, widgets
from .adapter import GimpAdapter
from .arguments import text_of, values_of
from .dialog import GimpUi, Gtk, PaintDialog

_STEPS = 100


def ask(procedure: Any, config: Any, session: Session, adapter: GimpAdapter) -> bool:
    """Shows the dialog until it is closed; whether to paint. `config` then holds what was chosen."""
    GimpUi.init("underpaint")
    return MoreDialog(procedure, config, session, adapter).run()


def ask_for_own(procedure: Any, config: Any, session: Session, adapter: GimpAdapter) -> bool:
    """The same for a verb that underpaint brings itself."""
    GimpUi.init("underpaint")
    return OwnDialog(procedure, config, session, adapter).run()


class OwnDialog(PaintDialog):
    """What the verb does above, what it takes below, each value an argument of its procedure."""

    def _ok_label(self) -> str:
        return "_Run"

    def _add_fields(self, form: widgets.Form) -> None:
        self._verb = ownverbs.own_verbs()[self._config.get_procedure().get_name()]
        form.add("", Gtk.Label(label=tooltip_of(self._verb), xalign=0.0, wrap=True, max_width_chars=48))
        if self._prompt is not None:
            form.add("_Prompt", self._prompt)
        for number in self._verb.numbers:
            form.add(number.title, widgets.spin(self._config, number.name, *_steps(number), number.title))

    def _refresh_fields(self) -> None:
        """Nothing here depends on anything."""

    def _refusal(self) -> str:
        return missing(self._verb, self._adapter)


class MoreDialog(PaintDialog):
    """The verb above, what it takes below; the values are one argument, so that GIMP can repeat them."""

    def _ok_label(self) -> str:
        return "_Run"

    def _add_fields(self, form: widgets.Form) -> None:
        own = {verb.name for verb in ownverbs.own_verbs().values()}  # they are in the menu
        found = verbs.extensions().verbs_for(self._adapter)
        self._verbs = {verb.name: verb for verb in found if verb.name not in own}
        if text_of(self._config, "verb") not in self._verbs and self._verbs:
            self._config.set_property("verb", next(iter(self._verbs)))
        titles = {name: verb.title for name, verb in self._verbs.items()}
        form.add("_Verb", widgets.choice(self._config, "verb", titles))
        self._about = Gtk.Label(xalign=0.0, wrap=True, max_width_chars=48)
        form.add("", self._about)
        form.add("_Prompt", self._prompt)
        self._values = Gtk.Box(orientation=Gtk.Orientation.VERTICAL)
        form.add("", self._values)
        self._shown = ""

    def _refresh_fields(self) -> None:
        verb = self._verbs.get(text_of(self._config, "verb"))
        if verb is None or verb.name == self._shown:
            return
        self._shown = verb.name
        self._about.set_text(tooltip_of(verb))
        self._prompt.set_sensitive("prompt" in verb.texts)
        for child in self._values.get_children():
            self._values.remove(child)
        form = widgets.Form()
        try:
            given = values_of(self._config)
        except UnderpaintError:
            given = {}
        kept: dict[str, float | str] = {}
        for name in fields_of(verb):
            kept[name] = str(given.get(name, ""))
            field = Gtk.Entry(activates_default=True, text=kept[name])
            field.connect("changed", lambda field, name=name: self._keep(name, field.get_text()))
            form.add(name.replace("-", " ").capitalize(), field)
        for number in verb.numbers:
            kept[number.name], field = _number(number, given.get(number.name))
            field.connect(
                "value-changed", lambda field, name=number.name: self._keep(name, field.get_value())
            )
            form.add(number.title or number.name, field)
        self._config.set_property("values", json.dumps(kept))
        self._values.pack_start(form.widget, True, True, 0)
        self._values.show_all()

    def _keep(self, name: str, value: float | str) -> None:
        self._config.set_property("values", json.dumps({**values_of(self._config), name: value}))

    def _refusal(self) -> str:
        verb: Verb | None = self._verbs.get(text_of(self._config, "verb"))
        if verb is None:
            return f"No plug-in has added a verb. {verbs.left_out()}".strip()
        return missing(verb, self._adapter)


def _number(number: Parameter, given: object) -> tuple[float, Any]:
    fits = isinstance(given, (int, float)) and number.minimum <= given <= number.maximum
    value = float(given) if fits and isinstance(given, (int, float)) else number.default
    step, digits = _steps(number)
    field = Gtk.SpinButton.new_with_range(number.minimum, number.maximum, step)
    field.set_digits(digits)
    field.set_value(value)
    field.set_activates_default(True)
    return value, field


def _steps(number: Parameter) -> tuple[float, int]:
    """What a click on an arrow adds, and how many digits follow the point."""
    if ownverbs.is_whole(number):
        return 1.0, 0
    return number.step or (number.maximum - number.minimum) / _STEPS, 3
