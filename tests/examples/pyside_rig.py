"""The user of examples/02_pyside_canvas, for the conformance suite."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import Any

from underpaint.testing.conformance import DocumentSpec, Rig, Unsupported
from underpaint.testing.conformance.codec import Color
from underpaint.types import Alpha, Bounds, Channels, Image, PixelFormat

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QEventLoop, QPoint, QRect
from PySide6.QtGui import QColor, QImage
from PySide6.QtWidgets import QApplication

from tests.examples.loading import load

PREMULTIPLIED = PixelFormat(Channels.BGRA, alpha=Alpha.PREMULTIPLIED)


def application() -> QApplication:
    """The one of this process; it stays."""
    return QApplication.instance() or QApplication([])  # type: ignore[return-value]


class PySideRig(Rig):
    """A window that nobody sees."""

    def __init__(self) -> None:
        self.application = application()
        self.module: Any = load("02_pyside_canvas")
        self.window = self.module.Window()
        self.adapter = self.window.adapter

    def open(self, spec: DocumentSpec) -> str:
        if any(layer.group for layer in spec.layers):
            raise Unsupported("the program has no groups")
        document = self.module.Document(spec.width, spec.height, spec.title)
        for depth, layer in enumerate(reversed(spec.layers)):
            box = layer.bounds
            data = layer.pixels(PREMULTIPLIED)
            image = QImage(data, box.width, box.height, box.width * 4, self.module.PIXELS).copy()
            item = document.add(layer.name, image, box.x, box.y, float(depth))
            item.setVisible(layer.visible)
            item.setData(self.module.LOCKED, layer.locked)
        self.window.open(document)
        return str(document.id)

    def picture(self, document_id: str, bounds: Bounds) -> Image:
        seen = self.window.documents[document_id].merged(
            QRect(bounds.x, bounds.y, bounds.width, bounds.height)
        )
        data = bytes(seen.constBits())
        return Image(bounds.width, bounds.height, data, PREMULTIPLIED, bounds.x, bounds.y)

    def pump(self, until: Callable[[], bool], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not until():
            if time.monotonic() > deadline:
                return False
            self.application.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 20)
            time.sleep(0.002)
        return True

    def select(self, document_id: str, mask: Image | None) -> None:
        document = self.window.documents[document_id]
        document.mask, document.mask_at = QImage(), QPoint()
        if mask is not None:
            gray = QImage(
                bytes(mask.data), mask.width, mask.height, mask.row_bytes, QImage.Format.Format_Grayscale8
            )
            document.mask, document.mask_at = gray.copy(), QPoint(mask.x, mask.y)

    def layer_names(self, document_id: str) -> Sequence[str]:
        return [item.data(self.module.NAME) for item in self.window.documents[document_id].layers()]

    def undo(self, document_id: str) -> None:
        self.window.documents[document_id].history.undo()

    def redo(self, document_id: str) -> None:
        self.window.documents[document_id].history.redo()

    def undo_steps(self, document_id: str) -> int:
        return int(self.window.documents[document_id].history.index())

    def paint(self, document_id: str, bounds: Bounds, color: Color) -> None:
        """As a brush would: a layer of its own, with its step."""
        document = self.window.documents[document_id]
        image = QImage(bounds.width, bounds.height, self.module.PIXELS)
        image.fill(QColor.fromRgbF(*color))
        top = document.layers()[0].zValue()
        item = document.add("stroke", image, bounds.x, bounds.y, top)
        document.history.push(self.module.AddLayer(document, item))

    def crop(self, document_id: str, bounds: Bounds) -> None:
        document = self.window.documents[document_id]
        for item in document.layers():
            item.moveBy(-bounds.x, -bounds.y)
        document.setSceneRect(0, 0, bounds.width, bounds.height)

    def delete_layer(self, document_id: str, name: str) -> None:
        document = self.window.documents[document_id]
        for item in document.layers():
            if item.data(self.module.NAME) == name:
                document.removeItem(item)

    def close(self, document_id: str) -> None:
        document = self.window.documents.pop(document_id)
        views = [self.window.tabs.widget(index) for index in range(self.window.tabs.count())]
        self.window.tabs.removeTab([view.document is document for view in views].index(True))

    def restart(self) -> None:
        documents = list(self.window.documents.values())
        self.window = self.module.Window()
        self.adapter = self.window.adapter
        for document in documents:
            self.window.open(document)

    def finish(self) -> None:
        self.window.session.close()
        self.window.close()
