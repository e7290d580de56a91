# SPDX-License-Identifier: GPL-3.0-or-later
"""KritaAdapter: Krita's documents, layers and selections in underpaint's terms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from krita import Document, Krita, Node

from underpaint.errors import HostError, NoDocument, NothingSelected, PlaceGone
from underpaint.host import Canvas, Capability, HostAdapter, Layer, Notice, Result, ResultKind
from underpaint.types import MASK_FORMAT, Bounds, Image, JobUpdate, Preview

from .documents import READABLE, OpenDocuments, Place, find_node, keep_record, node_id, slot_above, walk
from .mainthread import MainThread
from .qt import QtCore
from .spaces import Space, convert, lent, projected, space_of, tight

_RESTORE_EVERY_MS = 20
_RESTORE_TRIES = 25


class Display(Protocol):
    """Whoever shows what happens: the dockers, through their controller."""

    def show_progress(self, update: JobUpdate) -> None:
        """How far a job is."""

    def show_preview(self, document_id: str, preview: Preview, bounds: Bounds) -> None:
        """A rough picture of a job."""

    def show_notice(self, notice: Notice) -> None:
        """A sentence for the painter."""


class KritaAdapter(HostAdapter):
    """The one adapter of this Krita, whatever number of windows it has."""

    name = "krita"
    capabilities = frozenset(Capability)

    def __init__(self, display: Display | None = None) -> None:
        self.version = Krita.instance().version()
        self.display = display
        self.documents = OpenDocuments()
        self._main = MainThread()

    # Reading.

    def canvas(self) -> Canvas:
        """The active document; results come in its own depth, in sRGB or linear Rec. 709."""
        document = Krita.instance().activeDocument()
        if document is None:
            raise NoDocument("No picture is open: create or open one (File › New), then try again.")
        result_format = Space.of(document).nearest().format()
        assert result_format is not None  # what `nearest` gives always has one
        name = self.documents.id_of(document)
        title = document.name() or document.fileName()
        return Canvas(name, document.width(), document.height(), result_format, title)

    def read_merged(self, document_id: str, bounds: Bounds) -> Image:
        """The visible picture as it lies in Krita; pictures beyond sRGB come converted, in 8 bits."""
        document = self.documents.find(document_id)
        document.waitForDone()  # or the last stroke may be missing
        place = (bounds.x, bounds.y, bounds.width, bounds.height)
        pixels = Space.of(document).format()
        if pixels is None:
            data, pixels = projected(document, *place)
            return Image(bounds.width, bounds.height, data, pixels, bounds.x, bounds.y)
        lying = lent(document.pixelData(*place))
        return Image(bounds.width, bounds.height, lying, pixels, bounds.x, bounds.y)

    def list_layers(self, document_id: str) -> Sequence[Layer]:
        """Layers and groups with pixels, from top to bottom, those inside groups after their group."""
        root = self.documents.find(document_id).rootNode()
        nodes = [node for _, node in walk(root)] if root is not None else []
        return [
            Layer(node_id(node), node.name(), _bounds(node), node.visible(), node.locked(), _is_group(node))
            for node in nodes
            if node.type() in READABLE
        ]

    def read_layer(self, document_id: str, layer_id: str, bounds: Bounds) -> Image:
        """A layer with its masks, or a group with what is in it."""
        document = self.documents.find(document_id)
        node = find_node(document, layer_id)
        if node is None:
            raise PlaceGone("The layer was deleted: choose another one.")
        if _is_group(node) and not node.visible():
            raise HostError(f"The group {node.name()!r} is hidden: make it visible, then try again.")
        document.waitForDone()
        place = (bounds.x, bounds.y, bounds.width, bounds.height)
        space = Space.of(node)
        target = space.nearest()
        data = lent(node.projectionPixelData(*place))
        if space != target:
            data = convert(data, bounds.width, bounds.height, space, target)
        pixels = target.format()
        assert pixels is not None  # what `nearest` gives always has one
        return Image(bounds.width, bounds.height, data, pixels, bounds.x, bounds.y)

    def selection_bounds(self, document_id: str) -> Bounds | None:
        """Tight bounds of the global selection, inside the canvas; None without one."""
        document = self.documents.find(document_id)
        selection = document.selection()
        if selection is None:
            return None
        found = Bounds(selection.x(), selection.y(), max(0, selection.width()), max(0, selection.height()))
        inside = found.intersect(Bounds(0, 0, document.width(), document.height()))
        return None if inside.is_empty else inside

    def read_selection(self, document_id: str, bounds: Bounds) -> Image:
        """Coverage by the global selection, 0 to 255, feathered edges and all."""
        selection = self.documents.find(document_id).selection()
        if selection is None:
            raise NothingSelected("The selection is gone: select the part to fill, then try again.")
        data = lent(selection.pixelData(bounds.x, bounds.y, bounds.width, bounds.height))
        return Image(bounds.width, bounds.height, data, MASK_FORMAT, bounds.x, bounds.y)

    def host_context(self, document_id: str) -> bytes:
        """The file, and the layer that is active now."""
        if not document_id:
            return b""
        document = self.documents.find(document_id)
        self.documents.keep_id(document_id)
        active = document.activeNode()
        return Place(document.fileName(), node_id(active) if active is not None else "").pack()

    # Writing.

    def write_result(self, result: Result) -> None:
        """Adds one paint layer, above the one that was active at the start, in one undo step."""
        if result.kind is ResultKind.TEXTURE:
            self._open_picture(result)
            return
        self._add([result], "")

    def write_results(self, results: Sequence[Result], title: str) -> None:
        """Several layers as one group: Krita has no other way to make one undo step of them."""
        layers = [result for result in results if result.kind is ResultKind.LAYER]
        if layers:
            self._add(layers, title)
        for result in results:
            if result.kind is ResultKind.TEXTURE:
                self._open_picture(result)

    def _add(self, results: Sequence[Result], title: str) -> None:
        """One undo step: a layer, or the group `title` with a layer each, the last on top."""
        place = Place.unpack(results[0].host_context)
        document = self.documents.find(results[0].document_id, place.file)
        parent, above = slot_above(document, place.above)
        active = document.activeNode()
        nodes = [_layer(document, result) for result in results]
        made = nodes[0] if len(nodes) == 1 else _group(document, nodes, title)
        if not parent.addChildNode(made, above):  # this refreshes the picture too
            raise HostError(f"Krita refused to add a layer to {parent.name()!r}: unlock it, then try again.")
        if made is not nodes[0]:
            document.refreshProjection()  # of what came inside a group, Krita has not heard
        for result in results:
            keep_record(document, result.provenance)
        if active is not None:
            self._restore(document, active, node_id(made), _RESTORE_TRIES)

    def _restore(self, document: Document, active: Node, added: str, tries: int) -> None:
        """Makes the painter's layer the active one again, once Krita has moved on to the new one."""

        def look() -> None:
            now = document.activeNode()
            if now is not None and node_id(now) == added:
                document.setActiveNode(active)
            elif tries > 1:
                self._restore(document, active, added, tries - 1)

        QtCore.QTimer.singleShot(_RESTORE_EVERY_MS, look)

    def _open_picture(self, result: Result) -> None:
        image, space = result.image, space_of(result.image)
        application = Krita.instance()
        document = application.createDocument(image.width, image.height, result.name, *space, 72.0)
        window = application.activeWindow()
        if document is None or window is None:
            raise HostError("Krita could not open a new picture: open a window, then run it again.")
        layer = document.topLevelNodes()[0]
        layer.setPixelData(tight(image), 0, 0, image.width, image.height)
        document.refreshProjection()
        keep_record(document, result.provenance)
        window.addView(document)

    # Talking.

    def run_on_main(self, function: Callable[[], None]) -> None:
        """Through a queued Qt signal; waits while the painter holds a mouse button down."""
        self._main.post(function)

    def show_progress(self, update: JobUpdate) -> None:
        """In every docker."""
        if self.display is not None:
            self.display.show_progress(update)

    def show_preview(self, document_id: str, preview: Preview, bounds: Bounds) -> None:
        """In every docker."""
        if self.display is not None:
            self.display.show_preview(document_id, preview, bounds)

    def show_notice(self, notice: Notice) -> None:
        """In every docker."""
        if self.display is not None:
            self.display.show_notice(notice)


def _layer(document: Document, result: Result) -> Node:
    """A paint layer that is not yet in the document."""
    node = document.createNode(result.name, "paintlayer")
    if node is None:
        raise HostError("Krita could not make a layer: free some memory, then run it again.")
    image, target = result.image, Space.of(node)
    source = space_of(image)
    data = tight(image)
    if source.format() != target.format():
        data = bytes(convert(data, image.width, image.height, source, target))
    # Pixels first: the undo step that adds the layer then brings them with it.
    node.setPixelData(data, image.x, image.y, image.width, image.height)
    return node


def _group(document: Document, nodes: Sequence[Node], title: str) -> Node:
    """A group of these layers that is not yet in the document."""
    group = document.createGroupLayer(title)
    if group is None:
        raise HostError("Krita could not make a group of layers: free some memory, then run it again.")
    group.setChildNodes(nodes)  # `addChildNode` would leave an undo step for each, in which nothing is seen
    return group


def _is_group(node: Node) -> bool:
    return bool(node.type() == "grouplayer")


def _bounds(node: Node) -> Bounds:
    """Where a layer has pixels; a group, where its layers have."""
    found = node.bounds()
    boxes = [Bounds(found.x(), found.y(), found.width(), found.height())] if not found.isEmpty() else []
    if _is_group(node):
        boxes += [_bounds(child) for child in node.childNodes() if child.type() in READABLE]
    boxes = [box for box in boxes if not box.is_empty]
    if not boxes:
        return Bounds(0, 0, 0, 0)
    x, y = min(box.x for box in boxes), min(box.y for box in boxes)
    return Bounds(x, y, max(box.right for box in boxes) - x, max(box.bottom for box in boxes) - y)
