# SPDX-License-Identifier: GPL-3.0-or-later
"""What Krita sees of us: an extension with actions, and a docker in every window."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from krita import DockWidget, DockWidgetFactory, DockWidgetFactoryBase, Extension, Krita, View, Window

from underpaint.host import tooltip_of

from .choices import LAYER, PICTURE, WORDS, is_noted, note
from .controller import Controller
from .more import action_name, ask
from .panel import Panel
from .qt import Qt, QtCore, QtWidgets

DOCKER = "underpaint_docker"
_MENU = "underpaint"
_ACTIONS = (
    ("underpaint_prompt", "Describe…", "Ctrl+Alt+P"),
    ("underpaint_fill", "Fill Selection", "Ctrl+Alt+U"),
    ("underpaint_generate", "Generate from Words", "Ctrl+Alt+Shift+U"),
    ("underpaint_generate_picture", "Generate from the Picture", ""),
    ("underpaint_generate_layer", "Generate from the Chosen Layer", ""),
    ("underpaint_cancel", "Cancel", "Ctrl+Alt+Shift+X"),
)
_HEIGHT = 480
_HEIGHTS = {"ColorSelectorNg": 110, "KisLayerBox": 190}
_state: dict[str, Controller] = {}


def controller() -> Controller:
    """The one controller of this Krita."""
    if "one" not in _state:
        _state["one"] = Controller()
    return _state["one"]


class UnderpaintDocker(DockWidget):  # type: ignore[misc, unused-ignore]  # its base is Qt's
    """One window's docker; Krita makes it when the window is made."""

    def __init__(self) -> None:
        super().__init__()
        self.setWindowTitle("underpaint")
        self.panel = Panel(controller())
        self.setWidget(self.panel)
        controller().prompt_wanted.connect(self._take_words)

    def showEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Finds itself a good place, once and for all; from then on the painter's layout counts."""
        super().showEvent(event)
        QtCore.QTimer.singleShot(100, self._arrange)

    def _arrange(self) -> None:
        window = self.window()
        if (
            self.isVisible()
            and not is_noted("arranged")
            and isinstance(window, QtWidgets.QMainWindow)
            and arrange(window, self)
        ):
            note("arranged")

    def canvasChanged(self, canvas: object) -> None:  # noqa: N802 - Krita's name
        """Another document is in front, or none."""
        self.panel.update_state()
        QtCore.QTimer.singleShot(100, self._arrange)

    def _take_words(self) -> None:
        window = Krita.instance().activeWindow()
        if window is not None and window.qwindow() is self.parent():
            self.show()
            self.raise_()
            self.panel.prompt.setFocus()
            self.panel.prompt.selectAll()


class UnderpaintExtension(Extension):  # type: ignore[misc, unused-ignore]  # its base is Qt's
    """The actions, and what has to be watched for as long as Krita runs."""

    def setup(self) -> None:
        """Called once, when Krita has started."""
        notifier = Krita.instance().notifier()
        if notifier is not None:
            notifier.setActive(True)
            notifier.viewCreated.connect(self._on_view)
        QtWidgets.QApplication.instance().aboutToQuit.connect(controller().close)

    def createActions(self, window: Window) -> None:  # noqa: N802 - Krita's name
        """Called for every window; shortcuts can be changed in Krita's settings."""
        parent = window.createAction(_MENU, "underpaint", "tools")
        menu = QtWidgets.QMenu(_MENU, window.qwindow())
        if parent is None:
            return  # a window that is being closed
        parent.setMenu(menu)
        one = controller()
        calls = (
            one.prompt_wanted.emit,
            one.fill,
            lambda: one.generate(WORDS),
            lambda: one.generate(PICTURE),
            lambda: one.generate(LAYER),
            one.cancel,
        )
        for (name, text, shortcut), call in zip(_ACTIONS, calls, strict=True):
            action = window.createAction(name, text, f"tools/{_MENU}")
            if action is None:
                continue
            action.triggered.connect(lambda _checked=False, call=call: call())
            if shortcut and not _has_action_file():
                action.setShortcut(shortcut)
        for verb in one.verbs():
            action = window.createAction(action_name(verb), verb.title, f"tools/{_MENU}")
            if action is None:
                continue
            action.setToolTip(tooltip_of(verb))
            action.triggered.connect(lambda _checked=False, verb=verb: ask(one, verb, _front()))

    def _on_view(self, view: View) -> None:
        if not is_noted("shown"):  # a plug-in that was just ticked should not have to be searched for
            note("shown")
            QtCore.QTimer.singleShot(0, _show_dockers)
        document = view.document()
        if document is not None:
            controller().on_opened(document)


def _front() -> QtWidgets.QWidget | None:
    """The window that the painter looks at; the one that an action was made for may be closed."""
    window = Krita.instance().activeWindow()
    return window.qwindow() if window is not None else None


def _show_dockers() -> None:
    for docker in Krita.instance().dockers():
        if docker.objectName() == DOCKER:
            docker.show()


def arrange(window: QtWidgets.QMainWindow, docker: QtWidgets.QDockWidget) -> bool:
    """A tab beside the brush presets, as high as the column allows: alone it would get a few lines only.

    False while that cannot be done, for example because no picture is open yet and all dockers are hidden.
    """
    docks = {one.objectName(): one for one in window.findChildren(QtWidgets.QDockWidget)}
    presets, layers = docks.get("PresetDocker"), docks.get("KisLayerBox")
    if presets is None or not presets.isVisible() or presets.isFloating() or docker.isFloating():
        return False
    window.tabifyDockWidget(presets, docker)
    others = [one for one in (docks.get("ColorSelectorNg"), layers) if one is not None and one.isVisible()]
    heights = [_HEIGHTS[one.objectName()] for one in others]
    window.resizeDocks([*others, docker], [*heights, _HEIGHT], Qt.Orientation.Vertical)
    QtCore.QTimer.singleShot(0, docker.raise_)  # a tab can be raised once it is there
    return True


def _has_action_file() -> bool:
    """Whether Krita knows our actions, and with them the shortcuts that its user set."""
    folder = Path(Krita.instance().getAppDataLocation())
    return (folder / "actions" / "underpaint_krita.action").exists()


def register() -> None:
    """Tells Krita of the extension and the docker."""
    application = Krita.instance()
    application.addExtension(UnderpaintExtension(application))
    place = DockWidgetFactoryBase.DockRight
    application.addDockWidgetFactory(DockWidgetFactory(DOCKER, place, UnderpaintDocker))
