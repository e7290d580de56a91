"""`stack.xml` of an OpenRaster file: the tree of layers, without their pixels."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat

from underpaint.errors import InvalidRequest, Violation
from underpaint.testing.reference.layers import NORMAL
from underpaint.testing.reference.limits import Limits

VERSION: Final = "0.0.6"
_FAR: Final = 1 << 30
# What XML 1.0 cannot hold in any way, and lone surrogates.
_UNWRITABLE: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(slots=True)
class Entry:
    """A layer (`source` set) or a group (`source` None) of the stack, from top to bottom in `entries`."""

    name: str = ""
    source: str | None = None
    x: int = 0
    y: int = 0
    visible: bool = True
    locked: bool = False
    selected: bool = False
    opacity: float = 1.0
    blend: str = NORMAL
    isolated: bool = False
    entries: list[Entry] = field(default_factory=list)


@dataclass(slots=True)
class Stack:
    """A whole file's tree. `notes` say what was left out."""

    width: int
    height: int
    resolution: tuple[int, int] | None = None
    entries: list[Entry] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def broken(message: str) -> InvalidRequest:
    """An error about the file that somebody wanted to read."""
    return InvalidRequest(message, violations=[Violation("image", message)])


def parse(data: bytes, limits: Limits) -> Stack:
    """Reads the tree. Raises `InvalidRequest` for what is no stack, `LimitExceeded` for what is too much."""
    reader = _Reader(limits)
    parser = expat.ParserCreate()
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.StartDoctypeDeclHandler = reader.doctype
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, ValueError, LookupError) as problem:
        raise broken(f"Its stack.xml is damaged ({problem}): save the file again.") from problem
    if reader.stack is None:
        raise broken("Its stack.xml describes no image: save the file again.")
    return reader.stack


def render(stack: Stack) -> bytes:
    """The file's text. Characters that XML cannot hold become U+FFFD."""
    root = ET.Element("image", version=VERSION, w=str(stack.width), h=str(stack.height))
    if stack.resolution is not None:
        root.set("xres", str(stack.resolution[0]))
        root.set("yres", str(stack.resolution[1]))
    # Not recursive: a group's element waits here until its turn comes.
    top = ET.SubElement(root, "stack")
    waiting = [(top, entry) for entry in reversed(stack.entries)]
    while waiting:
        parent, entry = waiting.pop()
        element = ET.SubElement(parent, "stack" if entry.source is None else "layer", _attributes(entry))
        waiting += [(element, child) for child in reversed(entry.entries)]
    return bytes(ET.tostring(root, encoding="UTF-8", xml_declaration=True))


def _attributes(entry: Entry) -> dict[str, str]:
    found = {"name": _UNWRITABLE.sub("\ufffd", entry.name)}
    if entry.source is not None:
        found |= {"src": entry.source, "x": str(entry.x), "y": str(entry.y)}
    else:
        found["isolation"] = "isolate" if entry.isolated else "auto"
    found |= {
        "opacity": f"{entry.opacity:.6g}",
        "visibility": "visible" if entry.visible else "hidden",
        "composite-op": _UNWRITABLE.sub("\ufffd", entry.blend),
    }
    if entry.locked:
        found["edit-locked"] = "true"
    if entry.selected:
        found["selected"] = "true"
    return found


class _Reader:
    """Expat's callbacks. Not ElementTree: it builds everything first, doctype and all, and asks later."""

    def __init__(self, limits: Limits) -> None:
        self.stack: Stack | None = None
        self._limits = limits
        self._open: list[list[Entry] | None] = []
        self._count = 0
        self._skipping = 0

    def doctype(self, *declaration: object) -> None:
        raise broken("Its stack.xml declares a document type, which OpenRaster has no use for: not read.")

    def start(self, tag: str, values: Mapping[str, str]) -> None:
        if self.stack is None:
            self._image(tag, values)
        elif self._skipping or tag not in ("stack", "layer"):
            if not self._skipping:
                name = values.get("name", "")
                self.stack.notes.append(f"The {tag} {name!r} is left out: only layers of pixels are read.")
            self._skipping += 1
        elif tag == "stack" and not self._open:
            self._open.append(self.stack.entries)  # the root: the canvas itself, not a group
        else:
            self._entry(tag, values)

    def end(self, tag: str) -> None:
        if self._skipping:
            self._skipping -= 1
        elif self._open:
            self._open.pop()

    def _image(self, tag: str, values: Mapping[str, str]) -> None:
        if tag != "image":
            raise broken(f"Its stack.xml begins with <{tag}> instead of <image>: save the file again.")
        sizes = [_whole(values.get(name, ""), 0) for name in ("w", "h")]
        if min(sizes) < 1:
            raise broken("Its stack.xml gives no size of the canvas: save the file again.")
        for size in sizes:
            self._limits.check("edge", size, "The canvas")
        dpi = [_whole(values.get(name, ""), 0) for name in ("xres", "yres")]
        self.stack = Stack(sizes[0], sizes[1], (dpi[0], dpi[1]) if min(dpi) > 0 else None)

    def _entry(self, tag: str, values: Mapping[str, str]) -> None:
        parent = self._open[-1] if self._open else None
        if parent is None:
            raise broken(f"Its stack.xml has a <{tag}> outside any stack: save the file again.")
        self._count += 1
        self._limits.check("layers", self._count, "The file")
        self._limits.check("depth", len(self._open) - (tag == "layer"), "The file's stack")
        entry = Entry(
            name=values.get("name", ""),
            source=values.get("src", "") if tag == "layer" else None,
            x=_place(values.get("x", "")),
            y=_place(values.get("y", "")),
            visible=values.get("visibility", "visible") != "hidden",
            locked=values.get("edit-locked", "") == "true",
            selected=values.get("selected", "") == "true",
            opacity=_share(values.get("opacity", "")),
            blend=values.get("composite-op") or NORMAL,
            isolated=values.get("isolation", "auto") == "isolate",
        )
        parent.append(entry)
        # What a layer might contain has no place in the tree.
        self._open.append(entry.entries if tag == "stack" else None)


def _whole(text: str, otherwise: int) -> int:
    try:
        number = float(text)
    except ValueError:
        return otherwise
    return int(number) if math.isfinite(number) else otherwise


def _place(text: str) -> int:
    return max(-_FAR, min(_FAR, _whole(text, 0)))


def _share(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        return 1.0
    return min(1.0, max(0.0, number)) if math.isfinite(number) else 1.0
