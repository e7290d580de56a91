"""Picture files as documents of the reference host, for the commands that paint."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from underpaint.errors import InvalidRequest, NothingSelected, Violation
from underpaint.testing.reference import Document, ReferenceHost, Selection, read_document
from underpaint.testing.reference.layers import Node, walk
from underpaint.testing.reference.merge import coverage_of
from underpaint.testing.reference.pictures import endings, read_mask


def host_of(document: Document | None = None) -> ReferenceHost:
    """A host with this document open, or none; results go on top of it."""
    host = ReferenceHost("cli")
    if document is not None:
        document.active = ""  # whichever layer its painter worked on last
        host.open(document)
    return host


def open_for_fill(path: Path, mask: Path | None, mask_layer: str) -> Document:
    """A document with a selection: from a picture of its size, or from what one of its layers covers.

    Raises `InvalidRequest` unless exactly one of both is given.
    """
    if (mask is None) == (not mask_layer):
        message = "Say which part to repaint: either --mask FILE or --mask-layer NAME."
        raise InvalidRequest(message, violations=[Violation("mask", message)])
    document = read_document(path)
    if mask is not None:
        document.select(read_mask(mask, document.canvas))
        return document
    layer = layer_named(document, mask_layer, "mask-layer")
    place = layer.bounds.intersect(document.canvas)
    selection = Selection(place.x, place.y, coverage_of(layer, place, document.format.data_type))
    if selection.tight(document.canvas) is None:
        raise NothingSelected(
            f"The layer {layer.name!r} covers nothing of the canvas: paint on it what shall be repainted."
        )
    document.select(selection)
    # It says where to paint and is no part of the picture: the model must not see it, nor whoever looks on.
    document.change(layer.layer_id, lambda node: replace(node, visible=False), "Hide the mask")
    return document


def layer_named(document: Document, name: str, field: str) -> Node:
    """The one layer or group of that name. Raises `InvalidRequest`, which names `field` and what there is."""
    nodes = list(walk(document.layers))
    found = [node for node in nodes if node.name == name]
    if len(found) == 1:
        return found[0]
    if found:
        message = f"{len(found)} layers are called {name!r}: rename one of them."
    else:
        there = ", ".join(repr(node.name) for node in nodes[:20]) or "none"
        message = f"There is no layer {name!r} in {document.title}. Layers: {there}."
    raise InvalidRequest(message, violations=[Violation(field, message)])


def check_writable(output: Path) -> None:
    """Before a minute of work, not after. Raises `InvalidRequest`."""
    if output.suffix.lower() not in endings():
        message = f"{output} has no ending of a picture format: use .png, .ora, .webp, .tiff or .jpg."
        raise InvalidRequest(message, violations=[Violation("output", message)])
    if not output.absolute().parent.is_dir():
        message = f"The folder {output.absolute().parent} does not exist: make it first."
        raise InvalidRequest(message, violations=[Violation("output", message)])
