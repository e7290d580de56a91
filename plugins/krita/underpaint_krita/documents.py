# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding documents and layers again: by ids of ours, by layers' unique ids, by file names."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from krita import Document, Krita, Node

from underpaint.errors import PlaceGone
from underpaint.host import remembered
from underpaint.types import Provenance

READABLE = frozenset({"paintlayer", "grouplayer", "filelayer", "filllayer", "clonelayer", "vectorlayer"})
"""Types of nodes that have pixels to show; filters and masks have none of their own."""

_ANNOTATION = "underpaint-document"
_RECORDS = "underpaint-provenance"
_ID = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True)
class Place:
    """Where a result belongs: what `host_context` writes and `write_result` reads."""

    file: str = ""
    above: str = ""
    """Unique id of the layer above which the result goes; "" for the top."""

    def pack(self) -> bytes:
        """As bytes, to travel with the job."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def unpack(cls, context: bytes) -> Place:
        """The place again; whatever a later version added is left out."""
        try:
            values = json.loads(context) if context else {}
        except ValueError:
            values = {}
        if not isinstance(values, dict):
            values = {}
        return cls(str(values.get("file", "")), str(values.get("above", "")))


class OpenDocuments:
    """Gives each open document an id that lasts as long as it is open, and longer once a job was sent.

    Krita's own candidates do not last: flattening, cropping or converting replaces the root's id, and
    saving under another name changes the file's. So we keep Krita's handles and compare them, and a .kra
    file keeps our id as an annotation, which is no undo step.
    """

    def __init__(self) -> None:
        self._known: list[tuple[str, Document]] = []

    def id_of(self, document: Document) -> str:
        """The id: the one that its file has kept, or else made at first sight."""
        opened = Krita.instance().documents()
        self._known = [entry for entry in self._known if any(entry[1] == one for one in opened)]
        for name, known in self._known:
            if known == document:
                return name
        found = _annotated(document)
        # A copy of a file has its id too: the one that was opened first keeps it.
        if not _ID.fullmatch(found) or any(name == found for name, _ in self._known):
            found = uuid.uuid4().hex
        self._known.append((found, document))
        return found

    def keep_id(self, document_id: str) -> None:
        """From now on the document's file, when it is saved, keeps its id: a job is on its way."""
        document = self.find(document_id)
        if _annotated(document) != document_id:
            modified = document.modified()
            document.setAnnotation(_ANNOTATION, "Where results belong", document_id.encode())
            document.setModified(modified)  # or Krita would ask whether to save, though nothing was painted

    def adopt(self, document_id: str, document: Document) -> None:
        """From now on `document_id`, whose own document is gone, means `document` too."""
        self._known.append((document_id, document))

    def find(self, document_id: str, file: str = "") -> Document:
        """The open document of that id, or else the one of that file. Raises `PlaceGone`."""
        opened = Krita.instance().documents()
        for name, known in self._known:
            if name == document_id and any(known == one for one in opened):
                return known
        # Closed and opened again, perhaps by another Krita: the same id, or else the same file, is the place.
        for document in opened:
            if self.id_of(document) == document_id:
                return document
        for document in opened:
            if file and document.fileName() == file:
                return document
        name = f" ({file})" if file else ""
        raise PlaceGone(f"The picture{name} that this belongs to is closed: open it again.")


def keep_record(document: Document, made: Provenance | None) -> None:
    """A .kra file keeps, as an annotation, how models made what is in it: the records one by one, as JSON."""
    if made is not None:
        before = bytes(document.annotation(_RECORDS)).decode("ascii", "replace")
        document.setAnnotation(_RECORDS, "How pictures were made", remembered(before, made).encode("ascii"))


def _annotated(document: Document) -> str:
    return bytes(document.annotation(_ANNOTATION)).decode("ascii", "replace")


def walk(parent: Node) -> Iterator[tuple[int, Node]]:
    """All nodes below `parent` from top to bottom, each with its depth."""
    for node in reversed(parent.childNodes()):
        yield 0, node
        for depth, inner in walk(node):
            yield depth + 1, inner


def node_id(node: Node) -> str:
    """A node's unique id, which a .kra file keeps."""
    return str(node.uniqueId().toString())


def find_node(document: Document, wanted: str) -> Node | None:
    """The node of that id, however deep it lies."""
    root = document.rootNode()
    if not wanted or root is None:
        return None
    return next((node for _, node in walk(root) if node_id(node) == wanted), None)


def slot_above(document: Document, wanted: str) -> tuple[Node, Node | None]:
    """The parent for a new layer, and the sibling that it goes above.

    Above the layer of id `wanted`, or on top where that is gone. A mask's layer counts as its place, and of
    a hidden group the result goes above, or nobody would see it.
    """
    root = document.rootNode()
    node = find_node(document, wanted)
    if root is None:
        raise PlaceGone("The picture that this belongs to is closed: open it again.")
    if node is None:
        layers = [child for child in root.childNodes() if not child.type().endswith("mask")]
        return root, layers[-1] if layers else None
    chain = [node]
    while (parent := chain[-1].parentNode()) is not None and parent != root:
        chain.append(parent)
    slot = 0
    for index, one in enumerate(chain):
        hidden_group = index > 0 and not one.visible()
        if one.type().endswith("mask"):
            slot = index + 1
        elif hidden_group:
            slot = index
    if slot >= len(chain):  # a mask of the picture itself, such as a global selection
        return slot_above(document, "")
    return (chain[slot + 1] if slot + 1 < len(chain) else root), chain[slot]
