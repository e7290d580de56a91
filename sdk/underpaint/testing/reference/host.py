"""`ReferenceHost`: the adapter to read first.

Everything that a host adapter does is here, without a host's own quirks. The program behind it is a dict of
`Document`s and a queue; your adapter has your program's API in their place. The order of the methods is that
of the contract, `underpaint.host.HostAdapter`; each says what the same method needs elsewhere.

    host = ReferenceHost()
    host.open(Document(512, 512))
    session = Session(host, underpaint.connect)
    task = session.generate("an old brick wall")
    host.queue.pump_until(lambda: task.done)
    host.active_document.undo()  # one step takes it away again
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from underpaint.errors import HostError, NoDocument, NothingSelected, PlaceGone, WrongThread
from underpaint.host import (
    Canvas,
    Capability,
    HostAdapter,
    Layer,
    MainThreadQueue,
    Notice,
    Result,
    ResultKind,
)
from underpaint.testing.reference.document import Document
from underpaint.testing.reference.layers import Group, PaintLayer, walk
from underpaint.testing.reference.merge import merged, own_pixels
from underpaint.testing.reference.samples import image_of, view_of
from underpaint.types import MASK_FORMAT, Alpha, Bounds, Channels, Image, JobUpdate, Preview


@dataclass(frozen=True, slots=True)
class ShownPreview:
    """What lies over the canvas while a job runs."""

    preview: Preview
    bounds: Bounds


class ReferenceHost(HostAdapter):
    """A program with documents in memory. The thread that makes it is its main thread and pumps `queue`."""

    version = "1"
    # Declare what you do, and all of it: what is declared is used, what is not is never asked for.
    capabilities = frozenset(
        {
            Capability.SELECTION,
            Capability.LAYERS,
            Capability.MULTIPLE_DOCUMENTS,
            Capability.UNDO,
            Capability.PREVIEW,
        }
    )

    def __init__(self, name: str = "reference") -> None:
        # The name is part of the client id: jobs of one host are never offered to another.
        self.name = name
        self.queue = MainThreadQueue()
        """What waits for the main thread; a program with an event loop calls `queue.pump` from a timer."""
        self.documents: dict[str, Document] = {}
        self.active = ""
        """Id of the document that the user looks at; "" if none is open."""
        self.previews: dict[str, ShownPreview] = {}
        """By document id."""
        self.notices: list[Notice] = []
        self.on_progress: Callable[[JobUpdate], None] = lambda update: None
        self._thread = threading.get_ident()

    # What a user does in the program; no part of the contract.

    def open(self, document: Document) -> Document:
        """Opens a document and makes it the active one."""
        self.documents[document.document_id] = document
        self.active = document.document_id
        return document

    def close(self, document_id: str) -> None:
        """Closes a document, unsaved."""
        del self.documents[document_id]
        self.previews.pop(document_id, None)
        if self.active == document_id:
            self.active = next(reversed(self.documents), "")

    @property
    def active_document(self) -> Document:
        """What the user looks at. Raises `NoDocument`."""
        if not self.active:
            raise NoDocument("No document is open: open or create one first.")
        return self.documents[self.active]

    # Reading. Cheap, on the main thread, within the given bounds only: copy, do not convert.

    def canvas(self) -> Canvas:
        """The active document.

        `result_format` is the document's own, so that results go in as they come: the daemon converts.
        """
        self._check_thread()
        document = self.active_document
        canvas = document.canvas
        return Canvas(
            document.document_id, canvas.width, canvas.height, document.format, document.title or "Untitled"
        )

    def read_merged(self, document_id: str, bounds: Bounds) -> Image:
        """What the user sees. Hidden layers are not in it; a preview of ours must not be either."""
        document = self._document(document_id)
        if not document.canvas.contains(bounds):
            raise HostError(f"{bounds} hangs over the canvas of {document.canvas}: read less.")
        seen = merged(document.layers, bounds, document.format.data_type)
        return image_of(seen, bounds, document.format)

    def list_layers(self, document_id: str) -> Sequence[Layer]:
        """From top to bottom; a group comes before what is in it."""
        return [
            Layer(node.layer_id, node.name, node.bounds, node.visible, node.locked, isinstance(node, Group))
            for node in walk(self._document(document_id).layers)
        ]

    def read_layer(self, document_id: str, layer_id: str, bounds: Bounds) -> Image:
        """One layer's own pixels, also of a hidden one; transparent where it has none."""
        document = self._document(document_id)
        for node in walk(document.layers):
            if node.layer_id == layer_id:
                return image_of(own_pixels(node, bounds, document.format.data_type), bounds, document.format)
        raise PlaceGone("The layer was deleted: choose another one.")

    def selection_bounds(self, document_id: str) -> Bounds | None:
        """Tight, and inside the canvas: a selection that lies off it selects nothing."""
        document = self._document(document_id)
        return document.selection.tight(document.canvas) if document.selection is not None else None

    def read_selection(self, document_id: str, bounds: Bounds) -> Image:
        """1 = selected = repaint. Where your program keeps "protected" instead, invert it here."""
        document = self._document(document_id)
        if document.selection is None:
            raise NothingSelected("The selection is gone: select the part to fill, then try again.")
        return image_of(document.selection.within(bounds), bounds, MASK_FORMAT)

    def host_context(self, document_id: str) -> bytes:
        """The layer that is active now: the result belongs above it, whatever is active then.

        These bytes come back with the result, also after the program was started anew, perhaps in a newer
        version: write something that you will still be able to read.
        """
        if not document_id:
            return b""  # a texture belongs to no document
        return json.dumps({"above": self._document(document_id).active}).encode()

    # Writing.

    def write_result(self, result: Result) -> None:
        """Adds one layer, as one undo step, and leaves the user's own layer active.

        A texture is a document of its own. Pixels hang over the canvas wherever they were made to. How it was
        made stays with the layer; where layers hold no notes, `remembered` adds it to the document's.
        """
        image = result.image
        if result.kind is ResultKind.TEXTURE:
            self._check_thread()
            self.open(_document_of(result))
            return
        document = self._document(result.document_id)
        if image.format != document.format:
            raise HostError(f"A layer in {image.format} does not go into a document in {document.format}.")
        # A copy: the image's memory belongs to the daemon, and goes when this call returns.
        made_by = (result.provenance,) if result.provenance else ()
        layer = PaintLayer(
            name=result.name, samples=np.array(view_of(image)), x=image.x, y=image.y, made_by=made_by
        )
        document.add(layer, above=_above(result.host_context), name=f"Underpaint: {result.name}")
        self.previews.pop(document.document_id, None)

    # The rest of a program.

    def run_on_main(self, function: Callable[[], None]) -> None:
        """The one method that any thread may call."""
        self.queue.post(function)

    def show_progress(self, update: JobUpdate) -> None:
        """For a progress bar; `underpaint.host.describe` has the words."""
        self._check_thread()
        self.on_progress(update)
        if update.state.is_final:
            self.previews.pop(update.origin.document_id, None)

    def show_preview(self, document_id: str, preview: Preview, bounds: Bounds) -> None:
        """Laid over the canvas for the eye only: no layer, no undo step, nothing that `read_merged` sees."""
        self._check_thread()
        if document_id in self.documents:
            self.previews[document_id] = ShownPreview(preview, bounds)

    def show_notice(self, notice: Notice) -> None:
        """In a status bar, say; never in a window that somebody must click away."""
        self._check_thread()
        self.notices.append(notice)

    def _document(self, document_id: str) -> Document:
        self._check_thread()
        if document_id not in self.documents:
            raise PlaceGone("The document was closed: open it again to get the result.")
        return self.documents[document_id]

    def _check_thread(self) -> None:
        # Most programs crash here instead, and not every time.
        if threading.get_ident() != self._thread:
            raise WrongThread("The document was touched off the main thread: use run_on_main.")


def _above(context: bytes) -> str:
    """The layer that `host_context` noted; "" for notes that nobody can read any more."""
    try:
        return str(json.loads(context)["above"])
    except (ValueError, KeyError, TypeError):
        return ""


def _document_of(result: Result) -> Document:
    image = result.image
    if image.format.channels is not Channels.RGBA or image.format.alpha is not Alpha.STRAIGHT:
        raise HostError(f"A document holds RGBA with straight alpha, not {image.format}: ask for that.")
    made_by = (result.provenance,) if result.provenance else ()
    layer = PaintLayer(name=result.name, samples=np.array(view_of(image)), made_by=made_by)
    return Document(
        image.width,
        image.height,
        data_type=image.format.data_type,
        color_space=image.format.color_space,
        title=result.name,
        layers=(layer,),
    )
