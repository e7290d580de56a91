"""The painter and the program, for Krita: what is done here is done by Krita's own means."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from krita import Document, Krita, ManagedColor, Node, Selection
from underpaint_krita.controller import Controller
from underpaint_krita.qt import QtCore, QtWidgets

from underpaint.testing.conformance import DocumentSpec, LayerSpec, Rig, Unsupported
from underpaint.testing.conformance.codec import Color
from underpaint.types import Alpha, Bounds, Channels, ColorSpace, DataType, Image, PixelFormat

PROFILES = {ColorSpace.SRGB: "sRGB-elle-V2-srgbtrc.icc", ColorSpace.LINEAR_REC709: "sRGB-elle-V2-g10.icc"}
TURN_MS = 20
ACTIVATION_S = 90.0
CLOSING_S = 90.0


class KritaRig(Rig):
    """One painter with one window; every document that a check opens is closed at its end."""

    formats = tuple((depth, space) for depth in DataType for space in PROFILES)

    def __init__(self) -> None:
        self.application = Krita.instance()
        self.adapter = Controller().adapter
        self._documents: dict[str, Document] = {}
        self._threads = set(threading.enumerate())

    @staticmethod
    def launch(run: Callable[[], None]) -> None:
        """Runs it from the event loop itself: while an event is handled, Krita tells its views nothing."""
        dispatcher = QtCore.QAbstractEventDispatcher.instance()

        def once() -> None:
            dispatcher.aboutToBlock.disconnect(once)
            run()

        dispatcher.aboutToBlock.connect(once)

    def open(self, spec: DocumentSpec) -> str:
        """A document in a view of its own, with the specification's layers and nothing else."""
        depth, profile = spec.data_type.value.upper(), PROFILES[spec.color_space]
        document = self.application.createDocument(
            spec.width, spec.height, spec.title, "RGBA", depth, profile, 72.0
        )
        for node in document.topLevelNodes():
            node.remove()
        self._add(document, document.rootNode(), spec.layers, _format(document))
        self.application.activeWindow().addView(document)
        self._settle(document)
        if spec.layers:
            self._activate(document, document.topLevelNodes()[-1])
        found = self.adapter.canvas().document_id
        self._documents[found] = document
        return found

    def picture(self, document_id: str, bounds: Bounds) -> Image:
        """What Krita has merged for its own canvas."""
        document = self._documents[document_id]
        self._settle(document)
        data = bytes(document.pixelData(bounds.x, bounds.y, bounds.width, bounds.height))
        return Image(bounds.width, bounds.height, data, _format(document), bounds.x, bounds.y)

    def pump(self, until: Callable[[], bool], seconds: float) -> bool:
        """Qt's own event loop, in short turns."""
        deadline = time.monotonic() + seconds
        while not until():
            if time.monotonic() > deadline:
                return False
            QtWidgets.QApplication.processEvents(QtCore.QEventLoop.ProcessEventsFlag.AllEvents, TURN_MS)
            time.sleep(0.002)  # for threads in Python
        return True

    def select(self, document_id: str, mask: Image | None) -> None:
        """A selection with every coverage that the mask has."""
        document = self._documents[document_id]
        selection = None
        if mask is not None:
            selection = Selection()
            selection.setPixelData(bytes(mask.data), mask.x, mask.y, mask.width, mask.height)
        document.setSelection(selection)
        self._settle(document)

    def layer_names(self, document_id: str) -> Sequence[str]:
        """As the layer docker lists them, without masks: the global selection is one."""
        nodes = _walk(self._documents[document_id].rootNode())
        return [node.name() for node in nodes if not node.type().endswith("mask")]

    def undo(self, document_id: str) -> None:
        """Edit › Undo."""
        self._trigger("edit_undo", document_id)

    def redo(self, document_id: str) -> None:
        """Edit › Redo."""
        self._trigger("edit_redo", document_id)

    def undo_steps(self, document_id: str) -> int:
        """Counted in Krita's Undo History docker, which shows the active document's."""
        document = self._documents[document_id]
        self._settle(document)
        if self.application.activeDocument() != document:
            raise Unsupported("Krita's undo history is that of the active document")
        return int(_history().currentIndex().row())

    def paint(self, document_id: str, bounds: Bounds, color: Color) -> None:
        """Edit › Fill with Foreground Color, of a rectangle that is selected for that only."""
        document = self._documents[document_id]
        kept = document.selection()
        chosen = Selection()
        chosen.select(bounds.x, bounds.y, bounds.width, bounds.height, 255)
        document.setSelection(chosen)
        red, green, blue, alpha = color
        pigment = ManagedColor("RGBA", document.colorDepth(), document.colorProfile())
        pigment.setComponents(
            [blue, green, red, alpha] if _is_integer(document) else [red, green, blue, alpha]
        )
        self.application.activeWindow().activeView().setForeGroundColor(pigment)
        self._trigger("fill_selection_foreground_color", document_id)
        document.setSelection(kept.duplicate() if kept is not None else None)
        self._settle(document)

    def crop(self, document_id: str, bounds: Bounds) -> None:
        """Image › Crop."""
        document = self._documents[document_id]
        document.crop(bounds.x, bounds.y, bounds.width, bounds.height)
        self._settle(document)

    def delete_layer(self, document_id: str, name: str) -> None:
        """The topmost one of that name."""
        document = self._documents[document_id]
        next(node for node in _walk(document.rootNode()) if node.name() == name).remove()
        self._settle(document)

    def close(self, document_id: str) -> None:
        """Without saving."""
        self._close(self._documents.pop(document_id))

    def restart(self) -> None:
        """Saves and closes everything; a new plug-in then opens the files, the active one last."""
        saved = []
        with tempfile.TemporaryDirectory() as folder:
            for number, document in enumerate(self._documents.values()):
                saved.append(f"{folder}/{number}.kra")
                document.setBatchmode(True)
                document.saveAs(saved[-1])
                self._close(document)
            self._documents.clear()
            self.adapter = Controller().adapter
            for file in saved:
                document = self.application.openDocument(file)
                self.application.activeWindow().addView(document)
                self._settle(document)
                self._documents[self.adapter.canvas().document_id] = document

    def leaks(self) -> Sequence[str]:
        """Threads of ours that are still there."""
        more = set(threading.enumerate()) - self._threads
        return [f"thread {thread.name}" for thread in more if thread.name.startswith("underpaint")]

    def finish(self) -> None:
        """Closes every document, the adapter's too."""
        for document in self.application.documents():
            self._close(document)
        self._documents.clear()

    def _add(
        self, document: Document, parent: Node, layers: Sequence[LayerSpec], pixels: PixelFormat
    ) -> None:
        below = None
        for spec in reversed(layers):
            node = document.createNode(spec.name, "grouplayer" if spec.group else "paintlayer")
            place = spec.bounds
            if not spec.group and not place.is_empty:
                data = spec.pixels(pixels)
                node.setPixelData(data, place.x, place.y, place.width, place.height)
            node.setVisible(spec.visible)
            parent.addChildNode(node, below)
            self._add(document, node, spec.children or (), pixels)
            node.setLocked(spec.locked)
            below = node

    def _activate(self, document: Document, node: Node) -> None:
        """Krita makes a new layer the active one a little later: the painter chooses when it has."""
        self.pump(lambda: document.activeNode() is not None, ACTIVATION_S)
        document.setActiveNode(node)
        if not self.pump(lambda: document.activeNode() == node, ACTIVATION_S):
            raise Unsupported(f"Krita did not make {node.name()!r} the active layer")

    def _trigger(self, action: str, document_id: str) -> None:
        document = self._documents[document_id]
        self._settle(document)
        self.application.action(action).trigger()
        self._settle(document)

    def _settle(self, document: Document) -> None:
        self._turn(0.01)
        document.waitForDone()

    def _turn(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        self.pump(lambda: time.monotonic() >= end, seconds + 1)

    def _close(self, document: Document) -> None:
        document.setSelection(None)  # closing with something selected crashed Krita 5.2 now and then
        self._settle(document)

        def close() -> None:
            document.setModified(False)  # or Krita asks
            document.close()

        # From the event loop, as a menu would: Qt deletes a view only after the turn that closed it.
        QtCore.QTimer.singleShot(0, close)
        if not self.pump(lambda: all(one != document for one in self.application.documents()), CLOSING_S):
            raise Unsupported("Krita kept a document that was closed")


def _is_integer(document: Document) -> bool:
    return bool(document.colorDepth().startswith("U"))


def _format(document: Document) -> PixelFormat:
    """How pixels of our documents lie: blue first where they are integers."""
    depth = DataType(document.colorDepth().lower())
    spaces = {profile: space for space, profile in PROFILES.items()}
    channels = Channels.BGRA if _is_integer(document) else Channels.RGBA
    return PixelFormat(channels, depth, Alpha.STRAIGHT, spaces[document.colorProfile()])


def _walk(parent: Node) -> Any:
    for node in reversed(parent.childNodes()):
        yield node
        yield from _walk(node)


def _history() -> Any:
    """The list in the Undo History docker."""
    docker = next(one for one in Krita.instance().dockers() if one.objectName() == "History")
    return next(view for view in docker.findChildren(QtWidgets.QListView))
