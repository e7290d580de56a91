# SPDX-License-Identifier: GPL-3.0-or-later
"""The docker's contents: words, two verbs, a few choices, the job at work, messages."""

from __future__ import annotations

from underpaint.host import Notice

from .choices import LAYER, PICTURE, WORDS
from .controller import Controller, Link
from .controlrows import ControlsSection
from .details import Details
from .jobcard import JobCard, KeptBar
from .more import MoreButton
from .qt import Qt, QtCore, QtGui, QtWidgets
from .regionrows import RegionsSection
from .widgets import NoticeBar, PromptEdit, Strength, breakable, dot, narrow

_LOOK_EVERY_MS = 400
_MANY_NOTICES = 3
_LIGHTS = {
    Link.UNKNOWN: "#8a8a8a",
    Link.CONNECTING: "#e0a030",
    Link.READY: "#4caf50",
    Link.LOST: "#d0554f",
}
_PRIMARY = """
QPushButton { padding: 6px; font-weight: 600; }
QPushButton:enabled { background: palette(highlight); color: palette(highlighted-text);
    border: 1px solid palette(highlight); border-radius: 4px; }
QPushButton:enabled:hover { border-color: palette(highlighted-text); }
QPushButton:enabled:pressed { background: palette(dark); }
"""


class Panel(QtWidgets.QScrollArea):  # type: ignore[misc]  # Qt's classes have no types here
    """One docker's contents; there is one for each of Krita's windows."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self.controller = controller
        self.setFrameShape(QtWidgets.QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._body = QtWidgets.QWidget()
        self._body.setMinimumWidth(180)  # or one long word would make all of it wider than the docker
        self.setWidget(self._body)
        self._column = QtWidgets.QVBoxLayout(self._body)
        self._column.setContentsMargins(8, 6, 8, 8)
        self._column.setSpacing(6)
        self._add_status()
        self._add_prompt()
        self._add_fill()
        self._add_generate()
        self._add_lists()
        self._kept = KeptBar(controller)
        self._column.addWidget(self._kept)
        self._notices = QtWidgets.QVBoxLayout()
        self._column.addLayout(self._notices)
        self.details = Details(controller)
        self.details.negative.submitted.connect(self._run)
        self.details.negative.escaped.connect(controller.cancel)
        self._column.addWidget(self.details)
        self._column.addStretch(1)
        stop = QtGui.QKeySequence(Qt.Key.Key_Escape)
        # QShortcut lives in QtGui from Qt 6 on.
        shortcut = getattr(QtGui, "QShortcut", None) or QtWidgets.QShortcut
        self._escape = shortcut(stop, self)
        self._escape.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        self._escape.activated.connect(controller.cancel)
        controller.changed.connect(self.update_state)
        controller.noticed.connect(self.show_notice)
        self._looker = QtCore.QTimer(self)
        self._looker.setInterval(_LOOK_EVERY_MS)  # Krita has no signals for selections and layers
        self._looker.timeout.connect(self.update_state)
        self.update_state()

    def showEvent(self, event: object) -> None:  # noqa: N802 - Qt's name
        """Connects when the docker is seen for the first time, and watches the document from then on."""
        super().showEvent(event)
        self._looker.start()
        if self.controller.link is Link.UNKNOWN:
            # With the next turn: the window should stand before anything else happens.
            QtCore.QTimer.singleShot(0, self.controller.reconnect)
        self.update_state()

    def hideEvent(self, event: object) -> None:  # noqa: N802 - Qt's name
        """Nobody looks: nothing to poll for."""
        super().hideEvent(event)
        self._looker.stop()

    def _add_status(self) -> None:
        self._light = QtWidgets.QLabel()
        self.status = QtWidgets.QLabel()
        self.status.setWordWrap(True)
        self.retry = QtWidgets.QToolButton()
        self.retry.setText("Try again")
        self.retry.clicked.connect(self.controller.reconnect)
        self.problem = QtWidgets.QLabel()
        self.problem.setWordWrap(True)
        self.problem.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        row = QtWidgets.QHBoxLayout()
        row.addWidget(self._light)
        row.addWidget(self.status, 1)
        row.addWidget(self.retry)
        self._column.addLayout(row)
        self._column.addWidget(self.problem)

    def _add_prompt(self) -> None:
        self.prompt = PromptEdit("What shall be there? For example: old brick wall with ivy")
        self.prompt.setToolTip(
            "Ctrl+Enter runs Fill selection, or Generate where nothing is selected; Esc cancels"
        )
        self.prompt.setPlainText(self.controller.choices.prompt)
        self.prompt.textChanged.connect(lambda: self.controller.choose(prompt=self.prompt.toPlainText()))
        self.prompt.submitted.connect(self._run)
        self.prompt.escaped.connect(self.controller.cancel)
        self._column.addWidget(self.prompt)

    def _add_fill(self) -> None:
        self.fill = QtWidgets.QPushButton("Fill selection")
        self.fill.setStyleSheet(_PRIMARY)
        self.fill.clicked.connect(self.controller.fill)
        self.why = QtWidgets.QLabel()
        self.why.setWordWrap(True)
        slanted = QtGui.QFont()  # only this: the size is the docker's
        slanted.setItalic(True)
        self.why.setFont(slanted)
        self.fill_strength = Strength(
            self.controller.choices.fill_strength,
            "How much of the selected part is painted anew; 100 % is as fits the model.",
        )
        self.fill_strength.changed.connect(lambda value: self.controller.choose(fill_strength=value))
        self._column.addWidget(self.fill)
        self._column.addWidget(self.why)
        self._column.addLayout(_labelled("Strength", self.fill_strength))

    def _add_generate(self) -> None:
        choices = self.controller.choices
        self.generate = QtWidgets.QPushButton("Generate")
        self.generate.setStyleSheet("QPushButton { padding: 5px; }")
        self.generate.clicked.connect(lambda: self.controller.generate())
        self.source = narrow(QtWidgets.QComboBox())
        for key, text in ((WORDS, "from words"), (PICTURE, "from the picture"), (LAYER, "from a layer")):
            self.source.addItem(text, key)
        self.source.setCurrentIndex(max(0, self.source.findData(choices.source)))
        self.source.currentIndexChanged.connect(
            lambda: self.controller.choose(source=self.source.currentData())
        )
        self.source.setToolTip(
            "A new layer for the whole picture: from the words alone, or starting from pixels"
        )
        row = QtWidgets.QHBoxLayout()
        row.addWidget(self.generate, 1)
        row.addWidget(self.source, 1)
        self._column.addSpacing(2)
        self._column.addLayout(row)
        self.layer = narrow(QtWidgets.QComboBox())
        self.layer.activated.connect(lambda: self.controller.choose(layer=self.layer.currentData() or ""))
        self.layer.setToolTip("The layer or group to start from")
        self._column.addWidget(self.layer)
        self.image_strength = Strength(
            choices.image_strength, "How far the result may leave what it starts from; 100 % keeps nothing."
        )
        self.image_strength.changed.connect(lambda value: self.controller.choose(image_strength=value))
        self._image_row = QtWidgets.QWidget()
        self._image_row.setLayout(_labelled("Strength", self.image_strength))
        self._column.addWidget(self._image_row)
        self.more = MoreButton(self.controller)
        self._column.addWidget(self.more)

    def _add_lists(self) -> None:
        # The job comes first: below long lists nobody would see it.
        self.job = JobCard(self.controller)
        self._column.addWidget(self.job)
        self.controls = ControlsSection(self.controller)
        self._column.addWidget(self.controls)
        self.regions = RegionsSection(self.controller)
        self.regions.submitted.connect(self._run)
        self._column.addWidget(self.regions)

    def _run(self) -> None:
        if self.controller.why_no_fill() and not self.controller.why_no_generate():
            self.controller.generate()
        else:
            self.controller.fill()

    def update_state(self) -> None:
        """Brings what is shown up to date; called at every change and a few times a second."""
        controller = self.controller
        no_fill, no_generate = controller.why_no_fill(), controller.why_no_generate()
        self.fill.setEnabled(not no_fill)
        self.generate.setEnabled(not no_generate)
        self.fill.setToolTip(no_fill or "Paint the selection anew, as a new layer that fits (Ctrl+Enter)")
        self.generate.setToolTip(no_generate or "Make a new layer for the whole picture")
        # Never greyed out without a reason that can be read; one is enough where both have the same.
        reasons = dict.fromkeys(reason for reason in (no_fill, no_generate) if reason)
        self.why.setText(" ".join(reasons))
        self.why.setVisible(bool(reasons))
        source = controller.choices.source
        self._image_row.setVisible(source != WORDS)
        self.layer.setVisible(source == LAYER)
        if source == LAYER and not self.layer.view().isVisible():
            self._list_layers()
        self.controls.update_state()
        self.regions.update_state()
        self._take_over()
        self._show_link()

    def _take_over(self) -> None:
        """Shows what was chosen elsewhere: in another window's docker, or by an action."""
        choices = self.controller.choices
        if self.prompt.toPlainText() != choices.prompt:
            self.prompt.setPlainText(choices.prompt)
        self.source.setCurrentIndex(max(0, self.source.findData(choices.source)))
        self.fill_strength.slider.setValue(choices.fill_strength)
        self.image_strength.slider.setValue(choices.image_strength)

    def _list_layers(self) -> None:
        names = self.controller.layer_names()
        shown = [(self.layer.itemData(row), self.layer.itemText(row)) for row in range(self.layer.count())]
        if shown != names:
            self.layer.clear()
            for key, name in names:
                self.layer.addItem(name, key)
        row = self.layer.findData(self.controller.choices.layer)
        if row < 0 and names:
            row = 0
            self.controller.choose(layer=names[0][0])
        self.layer.setCurrentIndex(row)

    def _show_link(self) -> None:
        controller = self.controller
        self._light.setPixmap(dot(_LIGHTS[controller.link]))
        self.retry.setVisible(controller.link is Link.LOST)
        model = controller.model()
        texts = {
            Link.UNKNOWN: "Not connected yet",
            Link.CONNECTING: "Looking for the underpaint daemon…",
            Link.READY: f"Ready: {model.title or model.name}" if model else "Ready",
            Link.LOST: "Not connected",
        }
        self.status.setText(texts[controller.link])
        self.problem.setText(breakable(controller.link_problem))
        self.problem.setVisible(controller.link is Link.LOST)

    def show_notice(self, notice: Notice) -> None:
        """Adds a message; the same one twice is shown once, and only the last few stay."""
        bars = [self._notices.itemAt(index).widget() for index in range(self._notices.count())]
        for bar in bars:
            if bar.text == notice.text or len(bars) >= _MANY_NOTICES and bar is bars[0]:
                self._notices.removeWidget(bar)
                bar.deleteLater()
        bar = NoticeBar(notice.text, problem=notice.problem)
        self._notices.addWidget(bar)
        if notice.problem:  # whatever else there is to say can wait until somebody looks
            QtCore.QTimer.singleShot(50, lambda: self._reveal(bar))

    def _reveal(self, bar: NoticeBar) -> None:
        if self._notices.indexOf(bar) >= 0:  # nobody closed it in the meantime
            self.ensureWidgetVisible(bar)


def _labelled(text: str, widget: QtWidgets.QWidget) -> QtWidgets.QHBoxLayout:
    row = QtWidgets.QHBoxLayout()
    row.setContentsMargins(0, 0, 0, 0)
    row.addWidget(QtWidgets.QLabel(text))
    row.addWidget(widget, 1)
    return row
