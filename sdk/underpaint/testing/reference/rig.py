"""The conformance suite's rig for `ReferenceHost`: what an author writes, for a program in memory.

underpaint conformance underpaint.testing.reference.rig:ReferenceRig
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from underpaint.errors import HostError
from underpaint.testing.conformance import DocumentSpec, LayerSpec, Rig
from underpaint.testing.conformance.codec import Color
from underpaint.testing.reference.document import Document
from underpaint.testing.reference.host import ReferenceHost
from underpaint.testing.reference.layers import Group, Node, PaintLayer, walk
from underpaint.testing.reference.merge import merged
from underpaint.testing.reference.samples import DTYPES, from_floats, image_of, inside, view_of
from underpaint.testing.reference.selection import Selection
from underpaint.types import Bounds, ColorSpace, DataType, Image, PixelFormat


class ReferenceRig(Rig):
    """A fresh `ReferenceHost`, used as its painter would."""

    formats = tuple(
        (depth, space) for depth in DataType for space in (ColorSpace.SRGB, ColorSpace.LINEAR_REC709)
    )

    def __init__(self) -> None:
        self.host = self.adapter = ReferenceHost()
        self._threads = set(threading.enumerate())

    def open(self, spec: DocumentSpec) -> str:
        """The specification's layers in a document of its kind."""
        document = Document(
            spec.width,
            spec.height,
            data_type=spec.data_type,
            color_space=spec.color_space,
            title=spec.title,
        )
        layers = tuple(_node(layer, document.format) for layer in spec.layers)
        document.state = replace(document.state, layers=layers)
        document.active = layers[0].layer_id if layers else ""
        return self.host.open(document).document_id

    def picture(self, document_id: str, bounds: Bounds) -> Image:
        """Merged from the layers, without the adapter."""
        document = self.host.documents[document_id]
        seen = merged(document.layers, bounds, document.format.data_type)
        return image_of(seen, bounds, document.format)

    def pump(self, until: Callable[[], bool], seconds: float) -> bool:
        """Turns the host's queue, which is all of its event loop."""
        return self.host.queue.pump_until(until, seconds)

    def select(self, document_id: str, mask: Image | None) -> None:
        """Keeps the mask as it is: a selection may hang over the canvas."""
        selection = None
        if mask is not None:
            selection = Selection(mask.x, mask.y, np.array(view_of(mask)[..., 0]))
        self.host.documents[document_id].select(selection)

    def layer_names(self, document_id: str) -> Sequence[str]:
        """All of them, from top to bottom."""
        return [node.name for node in walk(self.host.documents[document_id].layers)]

    def undo(self, document_id: str) -> None:
        """One step back."""
        self.host.documents[document_id].undo()

    def redo(self, document_id: str) -> None:
        """One step forward."""
        self.host.documents[document_id].redo()

    def undo_steps(self, document_id: str) -> int:
        """Length of the history behind us."""
        return len(self.host.documents[document_id].undo_steps)

    def paint(self, document_id: str, bounds: Bounds, color: Color) -> None:
        """A rectangle in the active layer; the layer does not grow."""
        document = self.host.documents[document_id]

        def painted(node: Node) -> Node:
            if not isinstance(node, PaintLayer):
                raise HostError(f"{node.name!r} is a group: choose a layer to paint on.")
            samples = node.samples.copy()
            part = bounds.intersect(node.bounds)
            samples[inside(part, node.bounds)] = from_floats(np.array(color), samples.dtype)
            return replace(node, samples=samples)

        document.change(document.active, painted, "Paint")

    def crop(self, document_id: str, bounds: Bounds) -> None:
        """Layers keep their pixels and move."""
        self.host.documents[document_id].crop(bounds)

    def delete_layer(self, document_id: str, name: str) -> None:
        """The topmost one of that name."""
        document = self.host.documents[document_id]
        document.remove(next(node.layer_id for node in walk(document.layers) if node.name == name))

    def close(self, document_id: str) -> None:
        """Without saving."""
        self.host.close(document_id)

    def restart(self) -> None:
        """A new adapter in a new program, which opens the same documents again."""
        documents, active = self.host.documents, self.host.active
        self.host = self.adapter = ReferenceHost()
        for document in documents.values():
            self.host.open(document)
        self.host.active = active

    def leaks(self) -> Sequence[str]:
        """Threads that are not ours, and previews that nobody took away."""
        threads = [
            f"thread {thread.name}"
            for thread in set(threading.enumerate()) - self._threads
            if thread.name.startswith("underpaint")
        ]
        return [*threads, *(f"a preview over {document}" for document in self.host.previews)]


def _node(spec: LayerSpec, format: PixelFormat) -> Node:
    if spec.children is not None:
        children = tuple(_node(child, format) for child in spec.children)
        return Group(name=spec.name, layers=children, visible=spec.visible, locked=spec.locked)
    shape = (spec.bounds.height, spec.bounds.width, 4)
    samples = np.frombuffer(spec.pixels(format), DTYPES[format.data_type]).reshape(shape)
    return PaintLayer(
        name=spec.name,
        samples=samples,
        x=spec.bounds.x,
        y=spec.bounds.y,
        visible=spec.visible,
        locked=spec.locked,
    )
