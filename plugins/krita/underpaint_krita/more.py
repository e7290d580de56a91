# SPDX-License-Identifier: GPL-3.0-or-later
"""Verbs of plug-ins in the docker: a button with a menu, and a window where a verb has values to choose."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from underpaint.hookspecs import Verb
from underpaint.host import fields_of, tooltip_of
from underpaint.types import Parameter

from .controller import Controller
from .qt import Qt, QtWidgets

_DECIMALS = 3


def action_name(verb: Verb) -> str:
    """Krita's name for the action of a verb."""
    return "underpaint_verb_" + re.sub(r"\W", "_", verb.name.lower())


def ask(controller: Controller, verb: Verb, parent: QtWidgets.QWidget | None = None) -> VerbWindow | None:
    """Runs a verb, or opens the window for its values; what it lacks is said before."""
    if (fields_of(verb) or verb.numbers) and not controller.why_no_verb(verb):
        # Kept by us: of a window that Python has forgotten, Krita shows the frame and no button works.
        controller.verb_window = window = VerbWindow(controller, verb, parent)
        window.show()
        return window
    controller.run_verb(verb, {})
    return None


class MoreButton(QtWidgets.QToolButton):  # type: ignore[misc]  # Qt's classes have no types here
    """Every verb, greyed out with its reason where it cannot run."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self._controller = controller
        self.setText("More verbs")
        self.setToolTip("Verbs that plug-ins have added")
        self.setPopupMode(QtWidgets.QToolButton.ToolButtonPopupMode.InstantPopup)
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Fixed)
        menu = QtWidgets.QMenu(self)
        menu.setToolTipsVisible(True)
        menu.aboutToShow.connect(self.fill)
        self.setMenu(menu)

    def fill(self) -> None:
        """Lists them as they are now: Krita tells of no selections, so it is looked at when it opens."""
        menu = self.menu()
        menu.clear()
        for verb in self._controller.verbs():
            reason = self._controller.why_no_verb(verb)
            opens = "…" if fields_of(verb) or verb.numbers else ""
            # A tooltip alone is not seen by everybody: what is greyed out says why.
            action = menu.addAction(f"{verb.title}: {reason}" if reason else verb.title + opens)
            action.setObjectName(action_name(verb))
            action.setToolTip(tooltip_of(verb))
            action.setEnabled(not reason)
            action.triggered.connect(lambda _checked=False, verb=verb: ask(self._controller, verb, self))
        for problem in self._controller.left_out():
            menu.addAction(problem).setEnabled(False)


class VerbWindow(QtWidgets.QDialog):  # type: ignore[misc]  # Qt's classes have no types here
    """A field for each value, and a button that says what happens. Krita goes on beside it."""

    def __init__(self, controller: Controller, verb: Verb, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._controller, self._verb = controller, verb
        self.setWindowTitle(verb.title)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        about = QtWidgets.QLabel(tooltip_of(verb))
        about.setWordWrap(True)
        form = QtWidgets.QFormLayout(self)
        form.addRow(about)
        last = _remembered(controller).get(verb.name, {})
        self.fields: dict[str, Any] = {}
        for name in fields_of(verb):
            self.fields[name] = QtWidgets.QLineEdit(str(last.get(name, "")))
            form.addRow(name.replace("-", " ").capitalize(), self.fields[name])
        for number in verb.numbers:
            self.fields[number.name] = _number(number, last.get(number.name, number.default))
            form.addRow(number.title or number.name, self.fields[number.name])
        self.run = QtWidgets.QPushButton(verb.title)
        self.run.setDefault(True)
        self.run.clicked.connect(self._run)
        form.addRow(self.run)

    def values(self) -> dict[str, float | str]:
        """What the fields say."""
        return {
            name: field.text() if isinstance(field, QtWidgets.QLineEdit) else float(field.value())
            for name, field in self.fields.items()
        }

    def _run(self) -> None:
        values = self.values()
        kept = {**_remembered(self._controller), self._verb.name: values}
        self._controller.choose(verbs=json.dumps(kept))
        if self._controller.run_verb(self._verb, values) is not None:
            self.close()


def _number(number: Parameter, value: object) -> QtWidgets.QDoubleSpinBox:
    whole = number.step == 1.0
    field = QtWidgets.QDoubleSpinBox()
    field.setDecimals(0 if whole else _DECIMALS)
    field.setRange(number.minimum, number.maximum)
    field.setSingleStep(number.step or (number.maximum - number.minimum) / 20)
    field.setValue(float(value) if isinstance(value, (int, float)) else number.default)
    return field


def _remembered(controller: Controller) -> Mapping[str, Mapping[str, object]]:
    try:
        found = json.loads(controller.choices.verbs)
    except ValueError:
        return {}
    return {name: values for name, values in found.items() if isinstance(values, dict)}
