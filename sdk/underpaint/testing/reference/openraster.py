"""OpenRaster files (`.ora`): the layered format that Krita, GIMP, MyPaint and others share.

What is kept: size, layers and groups with their names, places, opacity, visibility, lock, composite operator
and isolation, the active layer, ICC profile and resolution; pixels to the last bit in 8 and 16 bits, also
where they lie off the canvas or under alpha 0; and how models made a layer, in the layer's own picture file,
where other programs lose it when they save.

What is not: the selection and the history. Floats and linear light become 16-bit sRGB, clipped to 0.0 … 1.0;
since hosts blend the numbers they have, half-transparent layers of a linear document then look a little
different. An empty layer becomes one transparent pixel; a document without any pixels has 8 bits. Text,
filters and vector layers of a file are left out, and `Document.notes` say so, as they say which composite
operators are shown as normal.

Of others it is known that Krita 5.2 opens and saves OpenRaster in 8 bits only, and that GIMP 3.0 blends in
linear light and, saving OpenRaster, cuts off visible layers by as much as they lie from the canvas's corner.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image as Pictures

from underpaint.errors import InvalidRequest
from underpaint.provenance import from_json, to_json
from underpaint.testing.reference.document import Document
from underpaint.testing.reference.files import replacing
from underpaint.testing.reference.layers import Group, Node, PaintLayer, walk
from underpaint.testing.reference.limits import Limits
from underpaint.testing.reference.merge import BLENDS, merged
from underpaint.testing.reference.metadata import RECORDS, texts_of
from underpaint.testing.reference.png import BROKEN, Png, PngFile, PngWriter, thumbnail_of
from underpaint.testing.reference.samples import Samples, as_srgb16, deepened, flattened
from underpaint.testing.reference.stack import Entry, Stack, broken, parse, render
from underpaint.types import Bounds, ColorSpace, DataType

MIMETYPE: Final = b"image/openraster"
_THUMBNAIL: Final = 256
_BAND_PIXELS: Final = 1 << 20
_DATE: Final = (1980, 1, 1, 0, 0, 0)
# What Python's zipfile raises for a damaged or an encrypted archive.
_BROKEN_ZIP: Final = (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, NotImplementedError)


def read(path: Path, limits: Limits | None = None) -> Document:
    """A document of the file, in 16 bits if one of its layers is, else in 8; always sRGB numbers.

    Raises `InvalidRequest` if it is no OpenRaster file or a damaged one, `LimitExceeded` where it asks for
    more than `limits` allow. Nothing is ever written, whatever names the archive has inside.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _Reader(archive, limits or Limits()).read(path.stem)
    except InvalidRequest as problem:
        raise broken(f"{path} cannot be read: {problem.message}") from problem
    except _BROKEN_ZIP as problem:
        raise broken(f"{path} cannot be read as OpenRaster ({problem}): save it again.") from problem


def write(document: Document, path: Path) -> None:
    """Writes the document as it is; `path` has the old file or the whole new one, never a half.

    Raises `HostError` if the file cannot be written. Memory: a band of the canvas, not the canvas.
    """
    with replacing(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        _Writer(archive, document).write()


class _Reader:
    def __init__(self, archive: zipfile.ZipFile, limits: Limits) -> None:
        self._archive = archive
        self._limits = limits
        self._pixels = 0
        self._pictures: dict[int, Png] = {}

    def read(self, title: str) -> Document:
        if self._entry("mimetype", 64).strip() != MIMETYPE:
            raise broken("it is a zip archive, but none of OpenRaster: save it as .ora.")
        stack = parse(self._entry("stack.xml", self._limits.stack_bytes), self._limits)
        self._load(stack.entries)
        deep = any(picture.samples.dtype == np.uint16 for picture in self._pictures.values())
        selected: list[str] = []
        layers = tuple(self._node(entry, deep, selected) for entry in stack.entries)
        document = Document(
            stack.width,
            stack.height,
            data_type=DataType.U16 if deep else DataType.U8,
            title=title,
            layers=layers,
        )
        profiles = [picture.profile for picture in self._pictures.values() if picture.profile]
        document.profile = profiles[0] if profiles else b""
        document.resolution = stack.resolution
        document.active = selected[0] if selected else layers[0].layer_id if layers else ""
        document.notes = stack.notes + [
            f"The layer {node.name!r} blends with {node.blend}, which is shown as normal."
            for node in walk(layers)
            if node.blend not in BLENDS
        ]
        return document

    def _load(self, entries: list[Entry]) -> None:
        for entry in entries:
            if entry.source is None:
                self._load(entry.entries)
            else:
                self._pictures[id(entry)] = self._picture(entry)

    def _picture(self, entry: Entry) -> Png:
        source = entry.source or ""
        what = f"the layer {entry.name!r}"
        data = self._entry(source, self._limits.png_bytes)
        try:
            file = PngFile(io.BytesIO(data))
            self._limits.check("edge", max(file.width, file.height), f"{what.capitalize()}")
            self._pixels += file.width * file.height
            self._limits.check("pixels", self._pixels, f"The file up to {what}")
            return file.read()
        except BROKEN as problem:
            raise broken(
                f"the picture {source!r} of {what} is no PNG or a damaged one ({problem})."
            ) from problem

    def _node(self, entry: Entry, deep: bool, selected: list[str]) -> Node:
        if entry.source is None:
            children = tuple(self._node(child, deep, selected) for child in entry.entries)
            made: Node = Group(
                name=entry.name,
                layers=children,
                visible=entry.visible,
                locked=entry.locked,
                opacity=entry.opacity,
                blend=entry.blend,
                isolated=entry.isolated,
            )
        else:
            picture = self._pictures[id(entry)]
            samples = picture.samples
            made = PaintLayer(
                name=entry.name,
                made_by=from_json(picture.texts.get(RECORDS, "")),
                samples=deepened(np.asarray(samples, np.uint8))
                if deep and samples.itemsize == 1
                else samples,
                x=entry.x,
                y=entry.y,
                visible=entry.visible,
                locked=entry.locked,
                opacity=entry.opacity,
                blend=entry.blend,
            )
        if entry.selected:
            selected.append(made.layer_id)
        return made

    def _entry(self, name: str, limit: int) -> bytes:
        """One file of the archive, by its exact name; looked up, never joined to a path."""
        try:
            info = self._archive.getinfo(name)
        except KeyError:
            raise broken(f"it has no {name!r} inside: save the file again.") from None
        if info.flag_bits & 1:
            raise broken("it is encrypted: save it without a password.")
        # The archive's own word is enough: zipfile never unpacks more than it was promised.
        if info.file_size > limit:
            raise broken(f"{name!r} unpacks to {info.file_size} bytes, at most {limit} are read.")
        return self._archive.read(info)


class _Writer:
    def __init__(self, archive: zipfile.ZipFile, document: Document) -> None:
        self._archive = archive
        self._document = document
        self._space = document.format.color_space
        data_type = document.format.data_type
        self._as_it_is = self._space is ColorSpace.SRGB and data_type in (DataType.U8, DataType.U16)
        self._deep = not (self._as_it_is and data_type is DataType.U8)
        self._count = 0

    def write(self) -> None:
        document = self._document
        # First and stored, so that the file's kind can be read at a fixed place.
        self._archive.writestr(zipfile.ZipInfo("mimetype", _DATE), MIMETYPE)
        canvas = document.canvas
        stack = Stack(canvas.width, canvas.height, document.resolution)
        stack.entries = [self._node(node) for node in document.layers]
        self._write("stack.xml", render(stack), zipfile.ZIP_DEFLATED)
        self._merged()

    def _node(self, node: Node) -> Entry:
        entry = Entry(
            name=node.name,
            visible=node.visible,
            locked=node.locked,
            opacity=node.opacity,
            blend=node.blend,
            selected=node.layer_id == self._document.active,
        )
        if isinstance(node, Group):
            entry.isolated = node.isolated
            entry.entries = [self._node(child) for child in node.layers]
            return entry
        samples = node.samples if node.samples.size else np.zeros((1, 1, 4), node.samples.dtype)
        entry.source = f"data/{self._count:04d}.png"
        entry.x, entry.y = node.x, node.y
        self._count += 1
        height, width = samples.shape[:2]
        texts = {RECORDS: to_json(node.made_by)} if node.made_by else None
        self._png(entry.source, width, height, lambda band: samples[band.y : band.bottom], texts=texts)
        return entry

    def _merged(self) -> None:
        """What is seen, for programs that show a file without understanding it; and the same, small."""
        canvas, data_type = self._document.canvas, self._document.format.data_type
        shrink = max(1, -(-max(canvas.width, canvas.height) // _THUMBNAIL))
        size = (-(-canvas.width // shrink), -(-canvas.height // shrink))
        small = Pictures.new("RGBA", size)

        def band_of(band: Bounds) -> Samples:
            rows = merged(self._document.layers, band, data_type)
            small.paste(thumbnail_of(flattened(self._storable(rows)), shrink), (0, band.y // shrink))
            return rows

        texts = texts_of(self._document)
        self._png("mergedimage.png", canvas.width, canvas.height, band_of, multiple=shrink, texts=texts)
        packed = io.BytesIO()
        small.save(packed, "PNG")
        self._write("Thumbnails/thumbnail.png", packed.getvalue(), zipfile.ZIP_STORED)

    def _png(
        self,
        name: str,
        width: int,
        height: int,
        rows: Callable[[Bounds], Samples],
        multiple: int = 1,
        texts: Mapping[str, str] | None = None,
    ) -> None:
        step = max(1, _BAND_PIXELS // width // multiple) * multiple
        profile, resolution = self._document.profile, self._document.resolution
        huge = width * height * 8 >= zipfile.ZIP64_LIMIT
        with (
            self._archive.open(zipfile.ZipInfo(name, _DATE), "w", force_zip64=huge) as stream,
            PngWriter(
                stream, width, height, deep=self._deep, profile=profile, resolution=resolution, texts=texts
            ) as png,
        ):
            for y in range(0, height, step):
                png.write(self._storable(rows(Bounds(0, y, width, min(step, height - y)))))

    def _storable(self, rows: Samples) -> Samples:
        return rows if self._as_it_is else as_srgb16(rows, self._space)

    def _write(self, name: str, data: bytes, method: int) -> None:
        info = zipfile.ZipInfo(name, _DATE)
        info.compress_type = method
        self._archive.writestr(info, data)
