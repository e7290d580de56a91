"""Layers and groups: what they are, and edits of a whole tree of them.

Trees are tuples from top to bottom, as hosts list layers, and never change: an edit gives a new tree that
shares every untouched layer with the old one.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from underpaint.testing.reference.samples import Samples
from underpaint.types import Bounds, Provenance

NORMAL: Final = "svg:src-over"
NOWHERE: Final = Bounds(0, 0, 0, 0)


def new_id() -> str:
    """An id that no other layer or document ever has, in this process or another."""
    return uuid.uuid4().hex


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class PaintLayer:
    """Pixels at a place that may hang over the canvas, or lie off it. Made read-only."""

    name: str
    samples: Samples = field(repr=False)
    """In the document's data type; see `samples`."""
    x: int = 0
    y: int = 0
    visible: bool = True
    locked: bool = False
    opacity: float = 1.0
    blend: str = NORMAL
    """OpenRaster's name of the composite operator; what `merge` does not know is shown as normal."""
    made_by: tuple[Provenance, ...] = ()
    """How models made it; () for what somebody painted."""
    layer_id: str = field(default_factory=new_id)

    def __post_init__(self) -> None:
        if self.samples.ndim != 3 or self.samples.shape[2] != 4:
            raise ValueError(f"a layer's samples are (height, width, 4), got {self.samples.shape}")
        self.samples.flags.writeable = False

    @property
    def bounds(self) -> Bounds:
        """Where its pixels lie, in canvas coordinates."""
        return Bounds(self.x, self.y, int(self.samples.shape[1]), int(self.samples.shape[0]))


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Group:
    """Layers that are shown, hidden and moved together; `layers` from top to bottom."""

    name: str
    layers: tuple[Node, ...] = ()
    visible: bool = True
    locked: bool = False
    opacity: float = 1.0
    blend: str = NORMAL
    isolated: bool = True
    """False: its layers blend with what lies below the group, as if there were no group."""
    layer_id: str = field(default_factory=new_id)

    @property
    def bounds(self) -> Bounds:
        """Around everything in it; empty at the origin if there is nothing."""
        boxes = [box for box in (layer.bounds for layer in self.layers) if not box.is_empty]
        if not boxes:
            return NOWHERE
        x, y = min(box.x for box in boxes), min(box.y for box in boxes)
        return Bounds(x, y, max(box.right for box in boxes) - x, max(box.bottom for box in boxes) - y)


Node: TypeAlias = PaintLayer | Group
Nodes: TypeAlias = tuple[Node, ...]


def walk(layers: Nodes) -> Iterator[Node]:
    """Every layer and group from top to bottom; what is in a group comes after the group."""
    for node in layers:
        yield node
        if isinstance(node, Group):
            yield from walk(node.layers)


def mapped(layers: Nodes, layer_id: str, change: Callable[[Node], Nodes]) -> Nodes:
    """The tree with one node replaced by what `change` gives for it: none, one or several."""
    found: list[Node] = []
    for node in layers:
        if node.layer_id == layer_id:
            found.extend(change(node))
        elif isinstance(node, Group):
            inner = mapped(node.layers, layer_id, change)
            same = len(inner) == len(node.layers) and all(map(_is, inner, node.layers))
            found.append(node if same else replace(node, layers=inner))
        else:
            found.append(node)
    return tuple(found)


def added(layers: Nodes, node: Node, above: str) -> Nodes:
    """The tree with `node` above the layer `above`; on top where that is not found or in a locked group."""
    return _added(layers, node, above) or (node, *layers)


def _added(layers: Nodes, node: Node, above: str) -> Nodes | None:
    for index, sibling in enumerate(layers):
        if sibling.layer_id == above:
            return (*layers[:index], node, *layers[index:])
        if isinstance(sibling, Group) and (inner := _added(sibling.layers, node, above)) is not None:
            if sibling.locked:
                # Nothing may enter it: the place nearest to the layer is right above the group.
                return (*layers[:index], node, *layers[index:])
            return (*layers[:index], replace(sibling, layers=inner), *layers[index + 1 :])
    return None


def moved(node: Node, x: int, y: int) -> Node:
    """The same layer or group with all that is in it, so many pixels further right and down."""
    if isinstance(node, Group):
        return replace(node, layers=tuple(moved(child, x, y) for child in node.layers))
    return replace(node, x=node.x + x, y=node.y + y)


def _is(one: object, other: object) -> bool:
    return one is other
