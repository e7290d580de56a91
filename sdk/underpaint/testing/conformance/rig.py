"""What an author writes to have an adapter checked: a `Rig`, the *user* and the *program* in one class.

A rig never goes through the adapter: it opens documents, selects, paints and looks at pictures by the host's
own means, so that the suite has something to hold the adapter against. A method that the host cannot do
raises `Unsupported("why")`; the checks that need it are then skipped, by name and with that reason.

    class MyRig(Rig):
        formats = ((DataType.U8, ColorSpace.SRGB),)

        def __init__(self) -> None:
            self.program = my_program.start()
            self.adapter = MyAdapter(self.program)

        def open(self, spec):
            document = self.program.new(spec.width, spec.height, title=spec.title)
            for layer in reversed(spec.layers):  # a spec lists them from top to bottom
                document.add(layer.name, layer.bounds.x, layer.bounds.y, layer.pixels(PixelFormat()))
            return document.id

        def picture(self, document_id, bounds):
            return Image(bounds.width, bounds.height, self.program.render(document_id, bounds))

        def pump(self, until, seconds):
            return self.program.events_until(until, seconds)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from underpaint.host import HostAdapter, Task
from underpaint.testing.conformance.codec import Color, Pattern, encode
from underpaint.types import Bounds, ColorSpace, DataType, Image, PixelFormat


class Unsupported(Exception):
    """Raised by a rig: this host, or this rig, cannot do it. The reason stands in the report."""


CLEAR: Color = (0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerSpec:
    """A layer to make. `pattern` gives its colours, in the document's own colour space, alpha straight."""

    name: str
    bounds: Bounds = Bounds(0, 0, 0, 0)
    """In canvas coordinates; may hang over the canvas, or lie off it. A group has none of its own."""
    pattern: Pattern = lambda x, y: CLEAR
    visible: bool = True
    locked: bool = False
    """Locked against painting."""
    children: tuple[LayerSpec, ...] | None = None
    """From top to bottom; not None: the layer is a group (mode normal, opaque, isolated or not)."""

    @property
    def group(self) -> bool:
        """Whether it is a group."""
        return self.children is not None

    def color(self, x: int, y: int) -> Color:
        """What this layer (with what is in it) shows at a place of the canvas; `visible` is not looked at."""
        if self.children is not None:
            return _over(self.children, x, y)
        inside = self.bounds.contains(Bounds(x, y, 1, 1))
        return self.pattern(x, y) if inside else CLEAR

    def pixels(self, format: PixelFormat, color_space: ColorSpace | None = None) -> bytes:
        """Its own pixels, all of `bounds`, in any format, rows without gaps.

        `color_space` is the document's, if `format` has another: the colours are then converted.
        """
        return rendered(self.color, self.bounds, format, color_space)


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentSpec:
    """A document to make: these layers and no others, nothing selected."""

    width: int
    height: int
    data_type: DataType = DataType.U8
    color_space: ColorSpace = ColorSpace.SRGB
    """SRGB or LINEAR_REC709."""
    title: str = "conformance"
    layers: tuple[LayerSpec, ...] = ()
    """From top to bottom. The first one is the active one."""

    @property
    def bounds(self) -> Bounds:
        """The whole canvas."""
        return Bounds(0, 0, self.width, self.height)

    def color(self, x: int, y: int) -> Color:
        """What is seen at a place of the canvas."""
        return _over(self.layers, x, y)

    def pixels(self, format: PixelFormat, bounds: Bounds | None = None) -> bytes:
        """What is seen within `bounds` (None: the canvas), for hosts whose documents are flat pictures."""
        return rendered(self.color, bounds or self.bounds, format, self.color_space)

    def all_layers(self) -> Iterator[LayerSpec]:
        """Every layer, those in groups after their group."""
        yield from _walk(self.layers)


class Rig(ABC):
    """One fresh start of the program, made anew for each check. All methods run on its main thread."""

    adapter: HostAdapter
    """A fresh adapter of this program, as a plug-in makes it."""
    formats: Sequence[tuple[DataType, ColorSpace]] = ((DataType.U8, ColorSpace.SRGB),)
    """Documents that the program can have, and the adapter hands over without a loss."""
    always_open: bool = False
    """True: the program always has a document, and `NoDocument` cannot be seen."""

    # Needed by every check.

    @abstractmethod
    def open(self, spec: DocumentSpec) -> str:
        """Makes the document, makes it the active one and returns the id that the *adapter* gives it."""

    @abstractmethod
    def picture(self, document_id: str, bounds: Bounds) -> Image:
        """What the user sees within `bounds`, read by the program's own means, transparent where nothing is.

        In any format that loses nothing of the document's. Never by calling the adapter.
        """

    @abstractmethod
    def pump(self, until: Callable[[], bool], seconds: float) -> bool:
        """Turns the program's event loop until `until()` is true; False if it is not after `seconds`."""

    # What the user does; each check skips without those that it needs.

    def select(self, document_id: str, mask: Image | None) -> None:
        """Selects softly: `mask` is coverage (`MASK_FORMAT`), nothing is selected outside its bounds.

        Its bounds may hang over the canvas. None: nothing is selected. Needed for `Capability.SELECTION`.
        """
        raise Unsupported("the rig cannot select")

    def layer_names(self, document_id: str) -> Sequence[str]:
        """Names of all layers, from top to bottom, those in groups after their group."""
        raise Unsupported("the rig cannot list layers")

    def undo(self, document_id: str) -> None:
        """As the user takes one step back."""
        raise Unsupported("the rig cannot undo")

    def redo(self, document_id: str) -> None:
        """As the user takes one step forward again."""
        raise Unsupported("the rig cannot redo")

    def undo_steps(self, document_id: str) -> int:
        """How many steps the user could take back now."""
        raise Unsupported("the rig cannot count undo steps")

    def paint(self, document_id: str, bounds: Bounds, color: Color) -> None:
        """Fills a rectangle of the active layer with one opaque colour, as one undo step."""
        raise Unsupported("the rig cannot paint")

    def crop(self, document_id: str, bounds: Bounds) -> None:
        """Makes the canvas smaller; what was at `bounds`' top left corner is then at (0, 0)."""
        raise Unsupported("the rig cannot crop")

    def delete_layer(self, document_id: str, name: str) -> None:
        """Deletes a layer."""
        raise Unsupported("the rig cannot delete layers")

    def close(self, document_id: str) -> None:
        """Closes a document without saving it."""
        raise Unsupported("the rig cannot close documents")

    def cancel(self, task: Task) -> None:
        """Cancels a task as the plug-in's own button does."""
        task.cancel()

    def restart(self) -> None:
        """The program ends and starts again: `adapter` is a new one, the documents are open again.

        Documents have the ids they had, or the user would not find their jobs.
        """
        raise Unsupported("the rig cannot restart the program")

    # The end.

    def leaks(self) -> Sequence[str]:
        """What the program still holds though nothing is at work any more, each in a few words."""
        return ()

    def finish(self) -> None:  # noqa: B027 - optional
        """Closes what is open; called once, also after a check has failed."""


def rendered(
    pattern: Pattern, bounds: Bounds, format: PixelFormat, color_space: ColorSpace | None = None
) -> bytes:
    """A pattern within `bounds`, rows without gaps; `color_space` is the pattern's, if not the format's."""
    places = ((x, y) for y in range(bounds.y, bounds.bottom) for x in range(bounds.x, bounds.right))
    return encode([pattern(x, y) for x, y in places], max(1, bounds.width), format, color_space)


def _over(layers: Sequence[LayerSpec], x: int, y: int) -> Color:
    red = green = blue = alpha = 0.0
    for layer in reversed(layers):
        if not layer.visible:
            continue
        top = layer.color(x, y)
        share = top[3]
        whole = share + alpha * (1 - share)
        if whole:
            kept = alpha * (1 - share)
            red = (top[0] * share + red * kept) / whole
            green = (top[1] * share + green * kept) / whole
            blue = (top[2] * share + blue * kept) / whole
        alpha = whole
    return (red, green, blue, alpha)


def _walk(layers: Sequence[LayerSpec]) -> Iterator[LayerSpec]:
    for layer in layers:
        yield layer
        yield from _walk(layer.children or ())
