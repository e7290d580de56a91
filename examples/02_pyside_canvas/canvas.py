"""The canvas of a small paint program: layers, a selection, an undo stack; nothing of underpaint."""

from __future__ import annotations

import uuid

from PySide6.QtCore import QPoint, QRect, QRectF, Qt
from PySide6.QtGui import QImage, QPainter, QPixmap, QUndoCommand, QUndoStack
from PySide6.QtWidgets import QGraphicsPixmapItem, QGraphicsScene, QGraphicsView

PIXELS, GRAY = QImage.Format.Format_ARGB32_Premultiplied, QImage.Format.Format_Grayscale8
NAME, LOCKED, ID = range(3)  # what a layer's item remembers


class Document(QGraphicsScene):
    def __init__(self, width: int, height: int, title: str) -> None:
        super().__init__(0, 0, width, height)
        self.id, self.title, self.history = uuid.uuid4().hex, title, QUndoStack(self)
        self.mask, self.mask_at = QImage(), QPoint()  # grey: how much of each pixel is selected

    def layers(self) -> list[QGraphicsPixmapItem]:  # from top to bottom
        return [item for item in self.items() if isinstance(item, QGraphicsPixmapItem)]

    def add(self, name: str, image: QImage, x: int, y: int, z: float) -> QGraphicsPixmapItem:
        item = QGraphicsPixmapItem(QPixmap.fromImage(image))
        item.setPos(x, y)
        item.setZValue(z)
        item.setData(NAME, name)
        item.setData(ID, uuid.uuid4().hex)
        self.addItem(item)
        return item

    def merged(self, place: QRect) -> QImage:
        image = QImage(place.size(), PIXELS)
        image.fill(Qt.GlobalColor.transparent)
        with QPainter(image) as painter:
            self.render(painter, QRectF(image.rect()), QRectF(place))
        return image

    def select(self, place: QRect) -> None:
        self.mask, self.mask_at = QImage(place.size(), GRAY), place.topLeft()
        self.mask.fill(255)
        self.update()

    def selected(self) -> QRect | None:  # tight around everything that is not 0
        place = self.mask.rect().translated(self.mask_at).intersected(self.sceneRect().toRect())
        mask = self.mask.copy(place.translated(-self.mask_at)) if not place.isEmpty() else QImage()
        rows = [bytes(mask.constScanLine(y))[: mask.width()] for y in range(mask.height())]
        used = [y for y, row in enumerate(rows) if any(row)]
        if not used:
            return None
        left = min(len(rows[y]) - len(rows[y].lstrip(b"\0")) for y in used)
        right = max(len(rows[y].rstrip(b"\0")) for y in used)
        return QRect(place.x() + left, place.y() + used[0], right - left, used[-1] - used[0] + 1)


class AddLayer(QUndoCommand):
    def __init__(self, document: Document, item: QGraphicsPixmapItem) -> None:
        super().__init__(item.data(NAME))
        self._document, self._item = document, item

    def redo(self) -> None:  # push() calls it, too
        if self._item.scene() is None:
            self._document.addItem(self._item)

    def undo(self) -> None:
        self._document.removeItem(self._item)


class View(QGraphicsView):
    def __init__(self, document: Document) -> None:
        super().__init__(document)
        self.document = document
        self.setDragMode(QGraphicsView.DragMode.RubberBandDrag)
        self.rubberBandChanged.connect(lambda rect, start, end: self._drag(rect))

    def _drag(self, rect: QRect) -> None:  # Qt's scene points are those of one movement before
        if not rect.isNull():
            self.document.select(self.mapToScene(rect).boundingRect().toAlignedRect())

    def drawForeground(self, painter: QPainter, rect: QRectF) -> None:  # noqa: N802 - Qt's name
        painter.setPen(Qt.PenStyle.DashLine)
        painter.drawRect(self.document.mask.rect().translated(self.document.mask_at))
