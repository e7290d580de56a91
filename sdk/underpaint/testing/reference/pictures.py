"""Picture files as documents: OpenRaster with its layers, everything that Pillow reads as one layer."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image as Pictures

from underpaint.errors import InvalidRequest, Violation
from underpaint.testing.reference import openraster
from underpaint.testing.reference.document import Document
from underpaint.testing.reference.files import replacing
from underpaint.testing.reference.layers import PaintLayer
from underpaint.testing.reference.limits import Limits
from underpaint.testing.reference.merge import merged
from underpaint.testing.reference.metadata import Told, texts_in, texts_of, told_by, told_to
from underpaint.testing.reference.png import BROKEN, Png, PngFile, PngWriter, is_rgb_profile
from underpaint.testing.reference.samples import Samples, as_srgb16, flattened
from underpaint.testing.reference.selection import Selection
from underpaint.types import Bounds, ColorSpace, DataType

ENDING = ".ora"
_NO_ALPHA = (".jpg", ".jpeg", ".bmp")
_BAND_PIXELS = 1 << 20


def read_document(path: Path, *, field: str = "image") -> Document:
    """A document of a picture file; the same file has the same document id whenever it is opened.

    PNG files keep their 16 bits, others have 8. Raises `InvalidRequest`, which names `field`, for a file that
    is no picture, and `LimitExceeded` for one that is too large.
    """
    if path.suffix.lower() == ENDING:
        document = openraster.read(path)
    else:
        png = _read_picture(path, field)
        height, width = png.samples.shape[:2]
        deep = png.samples.dtype == np.uint16
        layer = PaintLayer(name=path.stem, samples=png.samples, made_by=told_by(png.texts).records)
        document = Document(
            width, height, data_type=DataType.U16 if deep else DataType.U8, title=path.stem, layers=(layer,)
        )
        document.profile, document.resolution = png.profile, png.resolution
    document.document_id = hashlib.sha256(str(path.resolve()).encode(errors="replace")).hexdigest()[:32]
    return document


def read_mask(path: Path, canvas: Bounds, *, field: str = "mask") -> Selection:
    """A selection of a picture file of the canvas's size: white is selected, black is not.

    Raises `InvalidRequest`, which names `field`, for a file that is no picture or has another size.
    """
    try:
        with Pictures.open(path) as picture:
            coverage = np.asarray(picture.convert("L"), np.uint8)
    except (*BROKEN, Pictures.DecompressionBombError) as problem:
        raise _unreadable(path, field, problem) from problem
    height, width = coverage.shape
    if (width, height) != (canvas.width, canvas.height):
        sizes = f"The mask is {width}x{height}, the picture {canvas.width}x{canvas.height}"
        message = f"{sizes}: they must have one size."
        raise InvalidRequest(message, violations=[Violation(field, message)])
    return Selection(canvas.x, canvas.y, coverage)


def read_told(path: Path, *, field: str = "file") -> Told:
    """What a picture file says of how it was made. Raises `InvalidRequest`, which names `field`."""
    if path.suffix.lower() == ENDING:
        document = openraster.read(path)
        told = told_by(texts_of(document))
        return replace(told, records=document.made_by)
    try:
        with Pictures.open(path) as picture:
            return told_by(texts_in(picture))
    except (*BROKEN, Pictures.DecompressionBombError) as problem:
        raise _unreadable(path, field, problem) from problem


def write_document(document: Document, path: Path) -> str:
    """Writes layers into an `.ora` file, what is seen into any other; the ending decides the format.

    PNG keeps 16 bits, others get 8. How models made it is written with it; returns a note where that had to
    be cut, else "". Raises `HostError` if the file cannot be written.
    """
    note = ""
    ending = path.suffix.lower()
    if ending == ENDING:
        openraster.write(document, path)
    elif ending == ".png":
        _write_png(document, path)
    else:
        seen = flattened(_storable(document, document.canvas))
        picture = Pictures.fromarray(seen).convert("RGB" if ending in _NO_ALPHA else "RGBA")
        kind = Pictures.registered_extensions()[ending]
        told, note = told_to(kind, document)
        with replacing(path) as file:
            picture.save(file, kind, icc_profile=document.profile or None, **told)
    return note


def endings() -> frozenset[str]:
    """Endings of files that `write_document` writes, in lower case."""
    Pictures.init()
    known = Pictures.registered_extensions().items()
    return frozenset({ENDING, *(ending for ending, kind in known if kind in Pictures.SAVE)})


def _read_picture(path: Path, field: str) -> Png:
    try:
        with path.open("rb") as file:
            if file.read(4) == b"\x89PNG":
                file.seek(0)
                png = PngFile(file)
                limits = Limits()
                limits.check("edge", max(png.width, png.height), str(path))
                limits.check("pixels", png.width * png.height, str(path))
                return png.read()
        with Pictures.open(path) as picture:
            profile = picture.info.get("icc_profile") or b""
            rgba = np.array(picture.convert("RGBA"), np.uint8)
            # A CMYK profile must not go with the RGB numbers that came of it.
            keeps = picture.mode != "CMYK" and is_rgb_profile(profile)
            return Png(rgba, profile if keeps else b"", texts=texts_in(picture))
    except (*BROKEN, Pictures.DecompressionBombError) as problem:
        raise _unreadable(path, field, problem) from problem


def _unreadable(path: Path, field: str, problem: BaseException) -> InvalidRequest:
    message = f"{path} cannot be read as a picture: {problem}"
    return InvalidRequest(message, violations=[Violation(field, str(problem))])


def _write_png(document: Document, path: Path) -> None:
    canvas = document.canvas
    deep = document.format.data_type is not DataType.U8 or document.format.color_space is not ColorSpace.SRGB
    step = max(1, _BAND_PIXELS // canvas.width)
    with (
        replacing(path) as file,
        PngWriter(
            file,
            canvas.width,
            canvas.height,
            deep=deep,
            profile=document.profile,
            resolution=document.resolution,
            texts=texts_of(document),
        ) as png,
    ):
        for y in range(0, canvas.height, step):
            png.write(_storable(document, Bounds(0, y, canvas.width, min(step, canvas.height - y))))


def _storable(document: Document, bounds: Bounds) -> Samples:
    """What is seen, in sRGB and integers."""
    seen = merged(document.layers, bounds, document.format.data_type)
    whole = seen.dtype.kind == "u" and document.format.color_space is ColorSpace.SRGB
    return seen if whole else as_srgb16(seen, document.format.color_space)
