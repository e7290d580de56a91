# SPDX-License-Identifier: GPL-3.0-or-later
"""The docker's list of controls: a few lines for each, and a button that adds one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from underpaint.host import AS_IT_IS, ControlOffers, ControlRow, role_title

from .controller import Controller
from .qt import Qt, QtGui, QtWidgets
from .widgets import Strength, breakable, narrow

_STRONGEST = 200
"""Per cent."""
_GONE = "gone"


class ControlsSection(QtWidgets.QWidget):  # type: ignore[misc]  # Qt's classes have no types here
    """What the pictures of this document keep to."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self._controller = controller
        self.rows: list[ControlBox] = []
        title = QtWidgets.QLabel("Controls")
        title.setToolTip("Layers that the picture keeps to: drawings, edges, depths")
        self.add = QtWidgets.QToolButton()
        self.add.setText("Add")
        self.add.clicked.connect(controller.controls.add)
        head = QtWidgets.QHBoxLayout()
        head.addWidget(title, 1)
        head.addWidget(self.add)
        self.why = QtWidgets.QLabel()
        self.why.setWordWrap(True)
        slanted = QtGui.QFont()
        slanted.setItalic(True)
        self.why.setFont(slanted)
        self._list = QtWidgets.QVBoxLayout()
        self._list.setSpacing(4)
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(head)
        column.addWidget(self.why)
        column.addLayout(self._list)

    def update_state(self) -> None:
        """Shows what is attached now; called at every change and a few times a second."""
        controls = self._controller.controls
        reason = controls.why_no_add()
        self.add.setEnabled(not reason)
        self.add.setToolTip(reason or "Let the picture keep to a layer: the active one, to begin with")
        rows = controls.rows
        # Without a picture, and before anything is known, the rest of the docker says so.
        models_known = bool(self._controller.models and self._controller.models.models)
        self.why.setText(reason if models_known and not controls.roles() else "")
        self.why.setVisible(bool(self.why.text()))
        while len(self.rows) > len(rows):
            gone = self.rows.pop()
            self._list.removeWidget(gone)
            gone.hide()
            gone.deleteLater()
        while len(self.rows) < len(rows):
            self.rows.append(ControlBox(self._controller, len(self.rows)))
            self._list.addWidget(self.rows[-1])
        if rows:
            offers, roles = controls.recent_offers(), controls.roles()
            for box, row in zip(self.rows, rows, strict=True):
                box.show_row(row, offers, roles)


class ControlBox(QtWidgets.QFrame):  # type: ignore[misc]  # Qt's classes have no types here
    """One control: what it is, of what, how it is made, how much it says."""

    def __init__(self, controller: Controller, number: int) -> None:
        super().__init__()
        self._controller = controller
        self._number = number
        self._row = ControlRow(role="")
        self._offers = ControlOffers(())
        self.setObjectName("control")
        self.setStyleSheet("QFrame#control { border: 1px solid palette(mid); border-radius: 4px; }")
        self.role = _combo("What the image shows", self._on_role)
        self.place = _combo("The layer, or what else the picture keeps to", self._on_place)
        self.preprocessor = _combo(
            "How the control image is made of it; “as it is” for one that is white on black already",
            self._on_preprocessor,
        )
        self.remove = QtWidgets.QToolButton()
        self.remove.setText("✕")
        self.remove.setAutoRaise(True)
        self.remove.setToolTip("Do not keep to this any more")
        self.remove.clicked.connect(lambda: controller.controls.change(number, None))
        self.make = QtWidgets.QToolButton()
        self.make.setText("To layer")
        self.make.clicked.connect(lambda: controller.make_control_layer(self._row))
        self.strength = Strength(100, "How strictly the picture keeps to it; above 100 % forces", _STRONGEST)
        self.strength.changed.connect(lambda value: self._change(strength=value / 100))
        self.start, self.end = (_percent(tip) for tip in _SHARES)
        self.start.valueChanged.connect(lambda value: self._change(start=value / 100))
        self.end.valueChanged.connect(lambda value: self._change(end=value / 100))
        self.problem = QtWidgets.QLabel()
        self.problem.setWordWrap(True)
        self.problem.setStyleSheet("color: #d0554f;")
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(6, 4, 4, 4)
        column.setSpacing(3)
        column.addLayout(_line((self.role, 1), (self.place, 1), (self.remove, 0)))
        column.addLayout(_line((QtWidgets.QLabel("Made by"), 0), (self.preprocessor, 1), (self.make, 0)))
        column.addLayout(_line((QtWidgets.QLabel("Strength"), 0), (self.strength, 1)))
        steps, to = QtWidgets.QLabel("Steps from"), QtWidgets.QLabel("to")
        column.addLayout(_line((steps, 0), (self.start, 1), (to, 0), (self.end, 1)))
        column.addWidget(self.problem)

    def show_row(self, row: ControlRow, offers: ControlOffers, roles: Iterable[str]) -> None:
        """Shows a row, and what there is to choose for it."""
        self._row, self._offers = row, offers
        _fill(self.role, [(role, role_title(role)) for role in roles], row.role, role_title(row.role))
        place = offers.place_of(row)
        entries = [(one.key, one.title) for one in offers.places]
        _fill(self.place, entries, place.key if place is not None else _GONE, row.title)
        made = [(one.name, one.title or one.name) for one in offers.preprocessors_for(row.role)]
        _fill(self.preprocessor, [("", AS_IT_IS), *made], row.preprocessor, row.preprocessor)
        for widget, value in (
            (self.strength.slider, row.strength),
            (self.start, row.start),
            (self.end, row.end),
        ):
            if not widget.hasFocus() and widget.value() != round(value * 100):
                widget.blockSignals(True)
                widget.setValue(round(value * 100))
                widget.blockSignals(False)
        self.strength.show_value()
        model = self._controller.model("txt2img") or self._controller.model("inpaint")
        problem = offers.problem(row, model)
        self.problem.setText(breakable(problem))
        self.problem.setVisible(bool(problem))
        self.make.setEnabled(bool(row.preprocessor and place is not None and not place.problem))
        self.make.setToolTip(
            "Put the control image on a layer, to see and to edit it; the picture then keeps to that layer"
            if row.preprocessor
            else "Taken as it is, it lies on its layer already"
        )

    def _change(self, **values: Any) -> None:
        self._controller.controls.change(self._number, replace(self._row, **values))

    def _on_role(self, role: str) -> None:
        self._controller.controls.change(self._number, self._offers.with_role(self._row, role))

    def _on_place(self, key: str) -> None:
        place = next((one for one in self._offers.places if one.key == key), None)
        if place is not None:
            self._controller.controls.change(self._number, self._offers.with_place(self._row, place))

    def _on_preprocessor(self, name: str) -> None:
        self._change(preprocessor=name)


_SHARES = (
    "From which share of the steps on it counts; early steps decide where things lie",
    "Up to which share of the steps it counts; late steps decide how things look",
)


def _combo(tip: str, chosen: Any) -> Any:
    combo = narrow(QtWidgets.QComboBox())
    combo.setToolTip(tip)
    # `activated` comes from the painter only, never from what we set.
    combo.activated.connect(lambda _index: chosen(combo.currentData()))
    return combo


def _percent(tip: str) -> Any:
    field = QtWidgets.QSpinBox()
    field.setRange(0, 100)
    field.setSingleStep(5)
    field.setSuffix(" %")
    field.setToolTip(tip)
    return field


def _line(*widgets: tuple[Any, int]) -> Any:
    line = QtWidgets.QHBoxLayout()
    line.setSpacing(4)
    for widget, stretch in widgets:
        line.addWidget(widget, stretch)
    return line


def _fill(combo: Any, entries: list[tuple[str, str]], chosen: str, otherwise: str) -> None:
    """Lists entries and chooses one; what is not among them is shown as not found."""
    if combo.view().isVisible():
        return  # the painter is choosing
    if chosen not in dict(entries):
        entries = [*entries, (chosen, f"{otherwise} (not found)")]
    if [(combo.itemData(row), combo.itemText(row)) for row in range(combo.count())] != entries:
        combo.clear()
        for key, title in entries:
            combo.addItem(title, key)
            combo.setItemData(combo.count() - 1, title, Qt.ItemDataRole.ToolTipRole)
    combo.setCurrentIndex(combo.findData(chosen))
