# SPDX-License-Identifier: GPL-3.0-or-later
"""What the docker's lists of rows are put together from: a headline that adds, boxes, their fields."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .qt import Qt, QtGui, QtWidgets
from .widgets import breakable, narrow


class Section(QtWidgets.QWidget):  # type: ignore[misc]  # Qt's classes have no types here
    """A headline with a button that adds a row, a line for why it cannot, and the rows."""

    def __init__(self, title: str, about: str, add: Callable[[], None], row: Callable[[int], Any]) -> None:
        super().__init__()
        self._make_row = row
        self.rows: list[Any] = []
        headline = QtWidgets.QLabel(title)
        headline.setToolTip(about)
        self.add = QtWidgets.QToolButton()
        self.add.setText("Add")
        self.add.clicked.connect(lambda: add())
        head = QtWidgets.QHBoxLayout()
        head.addWidget(headline, 1)
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

    def show_reason(self, why_no_add: str, otherwise: str, *, always: bool) -> None:
        """The button's state and tooltip; `always`: the reason stands below it, too."""
        self.add.setEnabled(not why_no_add)
        self.add.setToolTip(why_no_add or otherwise)
        self.why.setText(why_no_add if always else "")
        self.why.setVisible(bool(self.why.text()))

    def show_count(self, count: int) -> None:
        """As many boxes as there are rows."""
        while len(self.rows) > count:
            gone = self.rows.pop()
            self._list.removeWidget(gone)
            gone.hide()
            gone.deleteLater()
        while len(self.rows) < count:
            self.rows.append(self._make_row(len(self.rows)))
            self._list.addWidget(self.rows[-1])


class RowBox(QtWidgets.QFrame):  # type: ignore[misc]  # Qt's classes have no types here
    """A frame with lines of fields, a part that unfolds, and what is wrong, in red."""

    def __init__(self, about_remove: str, remove: Callable[[], None]) -> None:
        super().__init__()
        self.setObjectName("row")
        self.setStyleSheet("QFrame#row { border: 1px solid palette(mid); border-radius: 4px; }")
        self.remove = QtWidgets.QToolButton()
        self.remove.setText("✕")
        self.remove.setAutoRaise(True)
        self.remove.setToolTip(about_remove)
        self.remove.clicked.connect(lambda: remove())
        self.problem = QtWidgets.QLabel()
        self.problem.setWordWrap(True)
        self.problem.setStyleSheet("color: #d0554f;")
        self.problem.hide()
        self.column = QtWidgets.QVBoxLayout(self)
        self.column.setContentsMargins(6, 4, 4, 4)
        self.column.setSpacing(3)

    def show_problem(self, text: str) -> None:
        """What is wrong with the row; "" for nothing."""
        self.problem.setText(breakable(text))
        self.problem.setVisible(bool(text))

    def fold(self, about: str, *lines: Any) -> Any:
        """Puts lines into a part that is hidden at first; returns the button that shows it."""
        folded = QtWidgets.QWidget()
        inner = QtWidgets.QVBoxLayout(folded)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(3)
        for one in lines:
            inner.addLayout(one)
        folded.hide()
        button = QtWidgets.QToolButton()
        button.setCheckable(True)
        button.setAutoRaise(True)
        button.setToolTip(about)
        button.setArrowType(Qt.ArrowType.RightArrow)

        def unfold(wanted: bool) -> None:
            folded.setVisible(wanted)
            button.setArrowType(Qt.ArrowType.DownArrow if wanted else Qt.ArrowType.RightArrow)

        button.toggled.connect(unfold)
        self.folded = folded
        return button


def combo(tip: str, chosen: Callable[[Any], None]) -> Any:
    """A list that calls `chosen` with the data of what the painter picks, never for what we set."""
    box = narrow(QtWidgets.QComboBox())
    box.setToolTip(tip)
    box.activated.connect(lambda _index: chosen(box.currentData()))
    return box


def percent(tip: str) -> Any:
    """A whole number of per cent."""
    field = QtWidgets.QSpinBox()
    field.setRange(0, 100)
    field.setSingleStep(5)
    field.setSuffix(" %")
    field.setToolTip(tip)
    return field


def line(*widgets: tuple[Any, int]) -> Any:
    """Widgets beside one another, each with its stretch."""
    made = QtWidgets.QHBoxLayout()
    made.setSpacing(4)
    for widget, stretch in widgets:
        made.addWidget(widget, stretch)
    return made


def labelled(text: str, *widgets: tuple[Any, int]) -> Any:
    """The same behind a word."""
    return line((QtWidgets.QLabel(text), 0), *widgets)


def offer(box: Any, entries: list[tuple[str, str]], chosen: str, otherwise: str) -> None:
    """Lists entries and chooses one; what is not among them is shown as not found."""
    if box.view().isVisible():
        return  # the painter is choosing
    if chosen not in dict(entries):
        entries = [*entries, (chosen, f"{otherwise} (not found)")]
    if [(box.itemData(row), box.itemText(row)) for row in range(box.count())] != entries:
        box.clear()
        for key, title in entries:
            box.addItem(title, key)
            box.setItemData(box.count() - 1, title, Qt.ItemDataRole.ToolTipRole)
    box.setCurrentIndex(box.findData(chosen))


def set_quietly(field: Any, value: Any) -> None:
    """Shows a value in a field that the painter is not in, as if nothing had been changed."""
    if not field.hasFocus() and field.value() != value:
        field.blockSignals(True)
        field.setValue(value)
        field.blockSignals(False)
