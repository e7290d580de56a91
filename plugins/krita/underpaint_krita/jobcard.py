# SPDX-License-Identifier: GPL-3.0-or-later
"""What a job does now: its stage, how far it is, a rough picture, and a way to stop it."""

from __future__ import annotations

from underpaint.host import Task, TaskState
from underpaint.types import Preview

from .controller import Controller
from .qt import Qt, QtCore, QtGui, QtWidgets
from .widgets import ElidedLabel
from .wording import describe, fraction_of, seed_of

_THUMBNAIL = 84


class JobCard(QtWidgets.QFrame):  # type: ignore[misc]  # Qt's classes have no types here
    """Shows the oldest job that is at work, or how the last one ended."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self._controller = controller
        self._shown: Task | None = None
        self.setObjectName("job")
        self.setStyleSheet("QFrame#job { border: 1px solid palette(mid); border-radius: 4px; }")
        self.picture = QtWidgets.QLabel()
        self.picture.setFixedSize(_THUMBNAIL, _THUMBNAIL)
        self.picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.picture.setStyleSheet("background: palette(base); border-radius: 3px;")
        self.title = ElidedLabel()
        bold = QtGui.QFont()
        bold.setBold(True)
        self.title.setFont(bold)
        self.stage = QtWidgets.QLabel()
        self.stage.setWordWrap(True)
        self.bar = QtWidgets.QProgressBar()
        self.bar.setRange(0, 1000)
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(8)
        self.cancel = QtWidgets.QPushButton("Cancel")
        self.cancel.setToolTip("Stop this job within one step (Esc)")
        self.cancel.clicked.connect(controller.cancel)
        self.seed = QtWidgets.QPushButton("Keep seed")
        self.seed.clicked.connect(self._keep_seed)
        below = QtWidgets.QHBoxLayout()
        below.addWidget(self.cancel)
        below.addWidget(self.seed)
        below.addStretch(1)
        texts = QtWidgets.QVBoxLayout()
        texts.setSpacing(4)
        for widget in (self.title, self.stage, self.bar):
            texts.addWidget(widget)
        texts.addLayout(below)
        texts.addStretch(1)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(6, 6, 6, 6)
        row.addWidget(self.picture, 0, Qt.AlignmentFlag.AlignTop)
        row.addLayout(texts, 1)
        controller.changed.connect(self.update_state)
        controller.previewed.connect(self.show_preview)
        self.update_state()

    def update_state(self) -> None:
        """Shows the present state."""
        controller = self._controller
        task = controller.tasks[0] if controller.tasks else controller.last
        self.setVisible(task is not None)
        if task is None:
            return
        if task is not self._shown:
            self._shown = task
            self.picture.clear()
        at_work = not task.state.is_final
        self.title.set_full_text(task.title)
        text = describe(task)
        if task.state is TaskState.PLACED:
            text += f" ({controller.last_seconds:.1f} s)"
        elif task.state is TaskState.FAILED and task.error is not None:
            text += ": see the message below" if len(task.error.message) > 60 else f": {task.error.message}"
        if (waiting := len(controller.tasks) - 1) > 0:
            text += f" ({waiting} more waiting)"
        self.stage.setText(text)
        self.picture.setVisible(at_work or self._has_picture())
        self.bar.setVisible(at_work)
        # Nothing known yet: a bar that moves says that something happens.
        self.bar.setRange(0, 1000 if task.update is not None else 0)
        if task.update is not None:
            self.bar.setValue(round(fraction_of(task) * 1000))
        self.cancel.setVisible(at_work)
        self.cancel.setEnabled(not task.cancel_requested)
        seed = seed_of(task) if task.state is TaskState.PLACED else ""
        self.seed.setVisible(bool(seed) and seed != controller.choices.seed)
        self.seed.setToolTip(f"Use seed {seed} again from now on")

    def show_preview(self, preview: Preview) -> None:
        """Shows a rough picture of the job at work."""
        stride = preview.width * 3
        layout = QtGui.QImage.Format.Format_RGB888
        image = QtGui.QImage(preview.rgb, preview.width, preview.height, stride, layout)
        pixmap = QtGui.QPixmap.fromImage(image)
        room = QtCore.QSize(_THUMBNAIL, _THUMBNAIL)
        keep, smooth = Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
        self.picture.setPixmap(pixmap.scaled(room, keep, smooth))
        self.picture.setVisible(True)

    def _has_picture(self) -> bool:
        pixmap = self.picture.pixmap()
        return pixmap is not None and not pixmap.isNull()

    def _keep_seed(self) -> None:
        if self._shown is not None:
            self._controller.choose(seed=seed_of(self._shown))


class KeptBar(QtWidgets.QFrame):  # type: ignore[misc]  # Qt's classes have no types here
    """Results whose picture was closed before they were ready, and where they can go instead."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self._controller = controller
        self._text = QtWidgets.QLabel()
        self._text.setWordWrap(True)
        self._button = QtWidgets.QPushButton("Place in the open picture")
        self._button.clicked.connect(controller.place_kept)
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._text)
        column.addWidget(self._button)
        controller.changed.connect(self._update)
        self._update()

    def _update(self) -> None:
        titles = [title for title, _ in self._controller.kept]
        self.setVisible(bool(titles))
        self._text.setText(f"Kept, since its picture is closed: {', '.join(titles)}")
