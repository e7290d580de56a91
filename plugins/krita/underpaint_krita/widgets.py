# SPDX-License-Identifier: GPL-3.0-or-later
"""Small widgets that the docker is put together from. All colours come from Krita's own palette."""

from __future__ import annotations

import re
import secrets
from typing import Any

from .qt import Qt, QtCore, QtGui, QtWidgets

_PROMPT_LINES = 3


class PromptEdit(QtWidgets.QPlainTextEdit):  # type: ignore[misc]  # Qt's classes have no types here
    """Several lines of words; Ctrl+Enter runs, Esc cancels."""

    submitted = QtCore.pyqtSignal()
    escaped = QtCore.pyqtSignal()

    def __init__(self, placeholder: str, lines: int = _PROMPT_LINES) -> None:
        super().__init__()
        self.setPlaceholderText(placeholder)
        self.setTabChangesFocus(True)
        self.setFixedHeight(self.fontMetrics().lineSpacing() * lines + 14)

    def event(self, event: QtCore.QEvent) -> bool:
        """Takes our keys before the host does: Ctrl+Enter opens Krita's command bar otherwise."""
        if event.type() == QtCore.QEvent.Type.ShortcutOverride and self._signal_for(event) is not None:
            event.accept()
            return True
        return bool(super().event(event))

    def keyPressEvent(self, event: QtGui.QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Ctrl+Enter runs, Esc cancels; all other keys edit."""
        signal = self._signal_for(event)
        if signal is not None:
            signal.emit()
        else:
            super().keyPressEvent(event)

    def _signal_for(self, event: QtGui.QKeyEvent) -> Any:
        if event.key() == Qt.Key.Key_Escape:
            return self.escaped
        enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        return self.submitted if enter and event.modifiers() & Qt.KeyboardModifier.ControlModifier else None


class Strength(QtWidgets.QWidget):  # type: ignore[misc]  # Qt's classes have no types here
    """A slider of 1 to 100 per cent, or to `most`, with its figure beside it."""

    changed = QtCore.pyqtSignal(int)

    def __init__(self, percent: int, tip: str, most: int = 100) -> None:
        super().__init__()
        self.slider = QtWidgets.QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(1, most)
        self._figure = QtWidgets.QLabel()
        self._figure.setMinimumWidth(self.fontMetrics().horizontalAdvance("100 %") + 2)
        self._figure.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.slider, 1)
        row.addWidget(self._figure)
        self.setToolTip(tip)
        self.slider.valueChanged.connect(self._on_value)
        self.slider.setValue(percent)
        self.show_value()

    def show_value(self) -> None:
        """Brings the figure in line with the slider."""
        self._figure.setText(f"{self.slider.value()} %")

    def _on_value(self, percent: int) -> None:
        self.show_value()
        self.changed.emit(percent)


class SeedEdit(QtWidgets.QWidget):  # type: ignore[misc]  # Qt's classes have no types here
    """A seed, or nothing for another one every time, with a dice that throws one."""

    changed = QtCore.pyqtSignal(str)

    def __init__(self, seed: str) -> None:
        super().__init__()
        self.edit = QtWidgets.QLineEdit(seed)
        self.edit.setPlaceholderText("random")
        self.edit.setClearButtonEnabled(True)
        self.edit.setMaxLength(20)  # of 2**64 - 1
        digits = QtCore.QRegularExpression("[0-9]*")
        self.edit.setValidator(QtGui.QRegularExpressionValidator(digits, self.edit))
        self.edit.setToolTip(
            "The same seed and settings make the same picture. Empty: another one every time."
        )
        dice = QtWidgets.QToolButton()
        dice.setIcon(dice_icon(self.palette().color(QtGui.QPalette.ColorRole.ButtonText)))
        dice.setToolTip("Throw a seed and keep it")
        dice.clicked.connect(lambda: self.edit.setText(str(secrets.randbelow(2**32))))
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(3)
        row.addWidget(self.edit, 1)
        row.addWidget(dice)
        self.edit.textChanged.connect(self.changed)


class ElidedLabel(QtWidgets.QLabel):  # type: ignore[misc]  # Qt's classes have no types here
    """One line that is cut with an ellipsis where it is too long; the tooltip has all of it."""

    def __init__(self) -> None:
        super().__init__()
        self._full = ""
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Ignored, QtWidgets.QSizePolicy.Policy.Preferred)

    def set_full_text(self, text: str) -> None:
        """Shows this text."""
        self._full = text
        self.setToolTip(text)
        self._cut()

    def resizeEvent(self, event: object) -> None:  # noqa: N802 - Qt's name
        """Cuts anew."""
        super().resizeEvent(event)
        self._cut()

    def _cut(self) -> None:
        metrics = QtGui.QFontMetrics(self.font())
        self.setText(metrics.elidedText(self._full, Qt.TextElideMode.ElideRight, self.width()))


class NoticeBar(QtWidgets.QFrame):  # type: ignore[misc]  # Qt's classes have no types here
    """A sentence or two that stays until it is closed."""

    def __init__(self, text: str, *, problem: bool) -> None:
        super().__init__()
        self.text = text
        self.setObjectName("problem" if problem else "notice")
        edge = "#d0554f" if problem else "palette(highlight)"
        self.setStyleSheet(
            f"QFrame#{self.objectName()} {{ border: 1px solid {edge}; border-left: 4px solid {edge};"
            " border-radius: 3px; background: palette(base); }"
        )
        label = QtWidgets.QLabel(breakable(text))
        label.setWordWrap(True)
        label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        close = QtWidgets.QToolButton()
        close.setText("✕")
        close.setAutoRaise(True)
        close.setToolTip("Close this message")
        close.clicked.connect(self.deleteLater)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(8, 4, 2, 4)
        row.addWidget(label, 1)
        row.addWidget(close, 0, Qt.AlignmentFlag.AlignTop)


def breakable(text: str) -> str:
    """The text with places where Qt may break long words, such as paths, which it clips otherwise."""
    return re.sub(r"\S{16}(?=\S{8})", "\\g<0>\u200b", text)


def dice_icon(colour: QtGui.QColor) -> QtGui.QIcon:
    """A dice with five points, drawn: fonts cannot be relied on to have one."""
    size = 32
    pixmap = QtGui.QPixmap(size, size)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QtGui.QPainter(pixmap)
    painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
    painter.setPen(QtGui.QPen(colour, 2.5))
    painter.drawRoundedRect(QtCore.QRectF(4, 4, size - 8, size - 8), 6, 6)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour)
    for x, y in ((11, 11), (21, 11), (16, 16), (11, 21), (21, 21)):
        painter.drawEllipse(QtCore.QPointF(x, y), 2.4, 2.4)
    painter.end()
    return QtGui.QIcon(pixmap)


def dot(colour: str) -> QtGui.QPixmap:
    """A round light for the state of the connection."""
    pixmap = QtGui.QPixmap(20, 20)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QtGui.QPainter(pixmap)
    painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QtGui.QColor(colour))
    painter.drawEllipse(QtCore.QRectF(2, 2, 16, 16))
    painter.end()
    pixmap.setDevicePixelRatio(2.0)
    return pixmap


def narrow(combo: QtWidgets.QComboBox) -> QtWidgets.QComboBox:
    """Keeps a long entry from widening the whole docker."""
    combo.setSizeAdjustPolicy(QtWidgets.QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(6)
    return combo
