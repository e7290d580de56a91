"""A small paint program with layers in PySide6, and underpaint in it: drag a selection, type, fill, undo.

python examples/02_pyside_canvas [PICTURE]      (pip install 'underpaint[engine]' pyside6-essentials)
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from canvas import ID, LOCKED, NAME, PIXELS, AddLayer, Document, View
from PySide6.QtCore import QRect, Qt, Signal
from PySide6.QtGui import QImage
from PySide6.QtWidgets import (
    QApplication,
    QGraphicsPixmapItem,
    QLineEdit,
    QMainWindow,
    QProgressBar,
    QTabWidget,
)

import underpaint
from underpaint import Bounds, Image, JobUpdate, PixelFormat
from underpaint.errors import NoDocument, NothingSelected, PlaceGone
from underpaint.host import Canvas, Capability, HostAdapter, Layer, Notice, Result, ResultKind, describe
from underpaint.types import MASK_FORMAT, Alpha, Channels

FORMAT = PixelFormat(Channels.BGRA, alpha=Alpha.PREMULTIPLIED)  # how Qt's pixels lie in memory


class PySideAdapter(HostAdapter):
    name, version = "pyside-canvas", "1"
    capabilities = frozenset(Capability) - {Capability.PREVIEW}

    def __init__(self, window: Window) -> None:
        self._window = window

    def canvas(self) -> Canvas:
        if not self._window.active:
            raise NoDocument("No picture is open: open one first.")
        found = self._document(self._window.active)
        return Canvas(found.id, int(found.width()), int(found.height()), FORMAT, found.title)

    def read_merged(self, document_id: str, bounds: Bounds) -> Image:
        return _image(self._document(document_id).merged(_rect(bounds)), bounds, FORMAT)

    def list_layers(self, document_id: str) -> Sequence[Layer]:
        return [
            Layer(item.data(ID), item.data(NAME), _bounds(item), item.isVisible(), bool(item.data(LOCKED)))
            for item in self._document(document_id).layers()
        ]

    def read_layer(self, document_id: str, layer_id: str, bounds: Bounds) -> Image:
        for item in self._document(document_id).layers():
            if item.data(ID) == layer_id:
                place = _rect(bounds).translated(-item.pos().toPoint())
                return _image(item.pixmap().toImage().convertToFormat(PIXELS).copy(place), bounds, FORMAT)
        raise PlaceGone("The layer was deleted: choose another one.")

    def selection_bounds(self, document_id: str) -> Bounds | None:
        found = self._document(document_id).selected()
        return None if found is None else Bounds(found.x(), found.y(), found.width(), found.height())

    def read_selection(self, document_id: str, bounds: Bounds) -> Image:
        document = self._document(document_id)
        if document.mask.isNull():
            raise NothingSelected("The selection is gone: drag one over the part to fill.")
        return _image(document.mask.copy(_rect(bounds).translated(-document.mask_at)), bounds, MASK_FORMAT)

    def write_result(self, result: Result) -> None:
        image = result.image
        pixels = QImage(image.data, image.width, image.height, image.row_bytes, PIXELS).copy()
        if result.kind is ResultKind.TEXTURE:
            document = Document(image.width, image.height, result.name)
            document.add(result.name, pixels, 0, 0, 0)
            self._window.open(document)
            return
        document = self._document(result.document_id)
        top = max((item.zValue() for item in document.layers()), default=0.0)
        item = document.add(result.name, pixels, image.x, image.y, top + 1)
        document.history.push(AddLayer(document, item))

    def run_on_main(self, function: Callable[[], None]) -> None:
        self._window.posted.emit(function)

    def show_progress(self, update: JobUpdate) -> None:
        self._window.bar.setValue(round(update.progress.fraction * 100))
        self._window.statusBar().showMessage(describe(update))

    def show_notice(self, notice: Notice) -> None:
        self._window.statusBar().showMessage(notice.text)

    def _document(self, document_id: str) -> Document:
        if document_id not in self._window.documents:
            raise PlaceGone("The picture was closed: open it again.")
        return self._window.documents[document_id]


class Window(QMainWindow):
    posted = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.posted.connect(lambda function: function(), Qt.ConnectionType.QueuedConnection)
        self.tabs, self.bar, self.prompt = QTabWidget(), QProgressBar(), QLineEdit("moss on old stones")
        self.documents: dict[str, Document] = {}
        self.setCentralWidget(self.tabs)
        self.statusBar().addPermanentWidget(self.bar)
        self.adapter = PySideAdapter(self)
        self.session = underpaint.Session(self.adapter, underpaint.connect)
        tools = self.addToolBar("Tools")
        tools.addWidget(self.prompt)
        tools.addAction("Fill", lambda: self.session.fill(self.prompt.text()))
        tools.addAction("Cancel", lambda: [task.cancel() for task in self.session.tasks])
        tools.addAction("Undo", lambda: self.documents[self.active].history.undo())
        tools.addAction("Redo", lambda: self.documents[self.active].history.redo())

    @property
    def active(self) -> str:
        return self.tabs.currentWidget().document.id if self.tabs.count() else ""

    def open(self, document: Document) -> None:
        self.documents[document.id] = document
        self.tabs.setCurrentIndex(self.tabs.addTab(View(document), document.title))


def _rect(bounds: Bounds) -> QRect:
    return QRect(bounds.x, bounds.y, bounds.width, bounds.height)


def _bounds(item: QGraphicsPixmapItem) -> Bounds:
    return Bounds(int(item.x()), int(item.y()), item.pixmap().width(), item.pixmap().height())


def _image(image: QImage, bounds: Bounds, pixels: PixelFormat) -> Image:
    data, stride = bytes(image.constBits()), image.bytesPerLine()
    return Image(bounds.width, bounds.height, data, pixels, bounds.x, bounds.y, stride)


if __name__ == "__main__":
    application, window = QApplication(sys.argv), Window()
    ground = QImage(sys.argv[1]) if len(sys.argv) > 1 else QImage(512, 384, PIXELS)
    if len(sys.argv) == 1:
        ground.fill(Qt.GlobalColor.white)
    opened = Document(ground.width(), ground.height(), "Picture")
    opened.add("Ground", ground, 0, 0, 0)
    window.open(opened)
    window.show()
    sys.exit(application.exec())
