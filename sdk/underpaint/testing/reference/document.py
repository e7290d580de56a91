"""A layered document with undo, in memory.

What a document *is* lies in one immutable `State`; an edit makes a new state that shares every untouched
layer with the old one. Undo is then exact by construction and costs a reference, and a layer that hangs in
the history cannot be painted on by accident: its samples are read-only.

A layer holds its own pixels and nothing else, so a canvas of 16384 px with one small layer is a small
document.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from underpaint.errors import HostError
from underpaint.testing.reference.layers import Node, Nodes, PaintLayer, added, mapped, moved, new_id, walk
from underpaint.testing.reference.samples import DTYPES
from underpaint.testing.reference.selection import Selection
from underpaint.types import Alpha, Bounds, Channels, ColorSpace, DataType, PixelFormat, Provenance


@dataclass(frozen=True, eq=False, slots=True)
class State:
    """Everything that undo brings back."""

    width: int
    height: int
    layers: Nodes = ()
    selection: Selection | None = None

    @property
    def canvas(self) -> Bounds:
        """The whole canvas."""
        return Bounds(0, 0, self.width, self.height)


@dataclass(frozen=True, slots=True)
class Step:
    """One entry of the history: what was done, and what was there before (undo) or after it (redo)."""

    name: str
    state: State


class Document:
    """A document that somebody has open. Belongs to one thread, as in every host."""

    def __init__(
        self,
        width: int,
        height: int,
        *,
        data_type: DataType = DataType.U8,
        color_space: ColorSpace = ColorSpace.SRGB,
        title: str = "",
        document_id: str = "",
        layers: Nodes = (),
    ) -> None:
        if width < 1 or height < 1:
            raise ValueError(f"a canvas has at least one pixel, got {width}x{height}")
        self.document_id = document_id or new_id()
        self.title = title
        self.format = PixelFormat(Channels.RGBA, data_type, Alpha.STRAIGHT, color_space)
        """How every layer's samples lie in memory."""
        self.active = ""
        """Id of the layer that the painter works on; no part of the history, as in most hosts."""
        self.profile = b""
        """The ICC profile that its file carried; kept and written again, never applied."""
        self.resolution: tuple[int, int] | None = None
        """Pixels an inch, for the file's header only."""
        self.notes: list[str] = []
        """What reading its file lost; whole sentences."""
        self.state = State(width, height, self._checked(layers))
        self.undo_steps: list[Step] = []
        self.redo_steps: list[Step] = []

    @property
    def canvas(self) -> Bounds:
        """The whole canvas."""
        return self.state.canvas

    @property
    def layers(self) -> Nodes:
        """From top to bottom."""
        return self.state.layers

    @property
    def selection(self) -> Selection | None:
        """What is selected."""
        return self.state.selection

    @property
    def made_by(self) -> tuple[Provenance, ...]:
        """How models made what is in it, from bottom to top; of hidden layers too."""
        paint = [node for node in walk(self.layers) if isinstance(node, PaintLayer)]
        return tuple(record for node in reversed(paint) for record in node.made_by)

    @property
    def is_composite(self) -> bool:
        """Whether something else than a model's work is in it."""
        paint = [node for node in walk(self.layers) if isinstance(node, PaintLayer)]
        return any(not node.made_by for node in paint) or any(
            record.starts_from_a_picture for record in self.made_by
        )

    def edit(self, name: str, state: State) -> None:
        """Makes `state` the present one, as one undo step. What had been undone is forgotten."""
        self._checked(state.layers)
        self.undo_steps.append(Step(name, self.state))
        self.redo_steps.clear()
        self.state = state

    def undo(self) -> str:
        """Takes the last step back and says what it was. Raises `HostError` if there is none."""
        return self._travel(self.undo_steps, self.redo_steps, "undo")

    def redo(self) -> str:
        """Brings the step back that was undone last. Raises `HostError` if there is none."""
        return self._travel(self.redo_steps, self.undo_steps, "redo")

    def _travel(self, source: list[Step], target: list[Step], verb: str) -> str:
        if not source:
            raise HostError(f"There is nothing to {verb}.")
        step = source.pop()
        target.append(Step(step.name, self.state))
        self.state = step.state
        return step.name

    # Edits that hosts offer; each is one step.

    def add(self, node: Node, *, above: str = "", name: str = "") -> None:
        """Adds a layer or group above the layer `above`, in its group; on top if that is "" or gone."""
        self.edit(name or f"Add {node.name}", replace(self.state, layers=added(self.layers, node, above)))

    def remove(self, layer_id: str) -> None:
        """Deletes a layer or group. Raises `HostError` if it is locked or not there."""
        if self.find(layer_id).locked:
            raise HostError(f"The layer {self.find(layer_id).name!r} is locked: unlock it first.")
        layers = mapped(self.layers, layer_id, lambda node: ())
        self.edit("Delete layer", replace(self.state, layers=layers))

    def change(self, layer_id: str, change: Callable[[Node], Node], name: str = "Change layer") -> None:
        """Replaces a layer by what `change` makes of it (`dataclasses.replace` is the usual way)."""
        self.find(layer_id)
        layers = mapped(self.layers, layer_id, lambda node: (change(node),))
        self.edit(name, replace(self.state, layers=layers))

    def select(self, selection: Selection | None) -> None:
        """Selects this and nothing else; None selects nothing."""
        self.edit("Select", replace(self.state, selection=selection))

    def crop(self, bounds: Bounds) -> None:
        """Makes `bounds` the canvas: layers and selection keep their pixels and move with it."""
        layers = tuple(moved(node, -bounds.x, -bounds.y) for node in self.layers)
        selection = self.selection
        if selection is not None:
            selection = replace(selection, x=selection.x - bounds.x, y=selection.y - bounds.y)
        self.edit("Crop", State(bounds.width, bounds.height, layers, selection))

    def find(self, layer_id: str) -> Node:
        """The layer or group of that id. Raises `HostError` if it is not there (any more)."""
        for node in walk(self.layers):
            if node.layer_id == layer_id:
                return node
        raise HostError(
            f"The layer {layer_id!r} is not in {self.title or 'the document'}: choose another one."
        )

    def _checked(self, layers: Nodes) -> Nodes:
        wanted = DTYPES[self.format.data_type]
        for node in walk(layers):
            if isinstance(node, PaintLayer) and node.samples.dtype != wanted:
                raise ValueError(f"{node.name!r} holds {node.samples.dtype}, the document {wanted}")
        return layers
