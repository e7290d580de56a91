"""A small host in pure Python: flat pictures, bottom row first, BGRA, premultiplied; nothing declared.

It needs no numpy, so that the suite is seen to run where a host program's Python has none.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

from underpaint.errors import NoDocument, PlaceGone
from underpaint.host import Canvas, Capability, HostAdapter, MainThreadQueue, Notice, Result, ResultKind
from underpaint.testing.conformance import DocumentSpec, Rig, Unsupported
from underpaint.testing.conformance.codec import Color
from underpaint.types import Alpha, Bounds, Channels, Image, PixelFormat, RowOrder

FORMAT = PixelFormat(Channels.BGRA, alpha=Alpha.PREMULTIPLIED, row_order=RowOrder.BOTTOM_UP)


class Flat:
    """A picture of its own size, and what it was before each step."""

    def __init__(self, width: int, height: int, pixels: bytes, title: str) -> None:
        self.width, self.height, self.title = width, height, title
        self.pixels = bytearray(pixels)
        self.undo: list[bytes] = []

    def row(self, bounds: Bounds, y: int) -> slice:
        """Where a row of `bounds` lies in memory; y counts from the canvas's top."""
        start = ((self.height - 1 - y) * self.width + bounds.x) * 4
        return slice(start, start + bounds.width * 4)

    def part(self, bounds: Bounds) -> bytes:
        """The pixels within bounds, as they lie."""
        return b"".join(self.pixels[self.row(bounds, y)] for y in reversed(range(bounds.y, bounds.bottom)))


class FlatHost(HostAdapter):
    name = "flat"
    version = "0.1"
    capabilities = frozenset({Capability.UNDO, Capability.MULTIPLE_DOCUMENTS})

    def __init__(self) -> None:
        self.pictures: dict[str, Flat] = {}
        self.active = ""
        self.queue = MainThreadQueue()
        self.shown: list[Notice] = []

    def canvas(self) -> Canvas:
        if not self.active:
            raise NoDocument("No picture is open: open one first.")
        flat = self.pictures[self.active]
        return Canvas(self.active, flat.width, flat.height, FORMAT, flat.title)

    def read_merged(self, document_id: str, bounds: Bounds) -> Image:
        return Image(
            bounds.width, bounds.height, self._flat(document_id).part(bounds), FORMAT, bounds.x, bounds.y
        )

    def write_result(self, result: Result) -> None:
        image = result.image
        if result.kind is ResultKind.TEXTURE:
            data = bytes(image.data)
            self.pictures[f"texture {len(self.pictures)}"] = Flat(
                image.width, image.height, data, result.name
            )
            return
        flat = self._flat(result.document_id)
        place = image.bounds.intersect(Bounds(0, 0, flat.width, flat.height))
        if place.is_empty:
            raise PlaceGone("The picture is smaller now; nothing of the result lies on it.")
        flat.undo.append(bytes(flat.pixels))
        for y in range(place.y, place.bottom):
            start = (image.height - 1 - (y - image.y)) * image.row_bytes + (place.x - image.x) * 4
            above = bytes(image.data[start : start + place.width * 4])
            row = flat.row(place, y)
            flat.pixels[row] = _over(above, flat.pixels[row])

    def run_on_main(self, function: Callable[[], None]) -> None:
        self.queue.post(function)

    def show_notice(self, notice: Notice) -> None:
        self.shown.append(notice)

    def _flat(self, document_id: str) -> Flat:
        if document_id not in self.pictures:
            raise PlaceGone("The picture was closed.")
        return self.pictures[document_id]


def _over(above: bytes, below: bytes | bytearray) -> bytes:
    found = bytearray()
    for at in range(0, len(above), 4):
        rest = 255 - above[at + 3]
        found += bytes(min(255, above[at + c] + round(below[at + c] * rest / 255)) for c in range(4))
    return bytes(found)


class FlatRig(Rig):
    numbers = itertools.count()

    def __init__(self) -> None:
        self.adapter = self.host = FlatHost()
        self.future: list[bytes] = []

    def open(self, spec: DocumentSpec) -> str:
        name = f"picture {next(self.numbers)}"
        if spec.width * spec.height > 1 << 24:
            raise Unsupported("pictures of this host are at most 16 megapixels")
        self.host.pictures[name] = Flat(spec.width, spec.height, spec.pixels(FORMAT), spec.title)
        self.host.active = name
        return name

    def picture(self, document_id: str, bounds: Bounds) -> Image:
        flat = self.host.pictures[document_id]
        return Image(bounds.width, bounds.height, flat.part(bounds), FORMAT, bounds.x, bounds.y)

    def pump(self, until: Callable[[], bool], seconds: float) -> bool:
        return self.host.queue.pump_until(until, seconds)

    def undo_steps(self, document_id: str) -> int:
        return len(self.host.pictures[document_id].undo)

    def undo(self, document_id: str) -> None:
        flat = self.host.pictures[document_id]
        self.future.append(bytes(flat.pixels))
        flat.pixels[:] = flat.undo.pop()

    def redo(self, document_id: str) -> None:
        flat = self.host.pictures[document_id]
        flat.undo.append(bytes(flat.pixels))
        flat.pixels[:] = self.future.pop()

    def paint(self, document_id: str, bounds: Bounds, color: Color) -> None:
        flat = self.host.pictures[document_id]
        flat.undo.append(bytes(flat.pixels))
        blue, green, red, alpha = (round(color[channel] * 255) for channel in (2, 1, 0, 3))
        for y in range(bounds.y, bounds.bottom):
            flat.pixels[flat.row(bounds, y)] = bytes((blue, green, red, alpha)) * bounds.width

    def close(self, document_id: str) -> None:
        del self.host.pictures[document_id]
        self.host.active = next(iter(self.host.pictures), "")
