# SPDX-License-Identifier: GPL-3.0-or-later
"""Krita's colour models, depths and profiles, and what they are called in underpaint's pixel formats.

Integer RGBA lies as B, G, R, A in Krita, float RGBA as R, G, B, A. Whatever is neither sRGB nor linear
Rec. 709 is converted by Krita's own colour management, in a document that nobody sees.
"""

from __future__ import annotations

from typing import NamedTuple

from krita import Document, Krita, Node

from underpaint.errors import HostError
from underpaint.types import Alpha, Buffer, Channels, ColorSpace, DataType, Image, PixelFormat

from .qt import QtGui

SRGB = "sRGB-elle-V2-srgbtrc.icc"
LINEAR = "sRGB-elle-V2-g10.icc"
_SRGB_NAMES = frozenset(
    {SRGB, "sRGB-elle-V4-srgbtrc.icc", "sRGB built-in", "sRGB IEC61966-2.1", "sRGB IEC61966-2-1 black scaled"}
)
_LINEAR_NAMES = frozenset(
    {LINEAR, "sRGB-elle-V4-g10.icc", "scRGB (linear)", "krita-2.5, lcms sRGB built-in with linear gamma TRC"}
)
_DEPTHS = {"U8": DataType.U8, "U16": DataType.U16, "F16": DataType.F16, "F32": DataType.F32}


class Space(NamedTuple):
    """A colour space as Krita names it."""

    model: str
    depth: str
    profile: str

    @classmethod
    def of(cls, owner: Document | Node) -> Space:
        """The space of a document, or of one layer, which may differ from its document's."""
        return cls(owner.colorModel(), owner.colorDepth(), owner.colorProfile())

    @property
    def is_float(self) -> bool:
        """Whether channels are floating point."""
        return self.depth.startswith("F")

    def format(self) -> PixelFormat | None:
        """The same space as a pixel format; None if it has to be converted first."""
        kind = _DEPTHS.get(self.depth)
        if self.model != "RGBA" or kind is None:
            return None
        if self.profile in _SRGB_NAMES:
            curve = ColorSpace.SRGB
        elif self.profile in _LINEAR_NAMES:
            curve = ColorSpace.LINEAR_REC709
        else:
            return None
        channels = Channels.RGBA if self.is_float else Channels.BGRA
        return PixelFormat(channels, kind, Alpha.STRAIGHT, curve)

    def nearest(self) -> Space:
        """This space if it has a pixel format, else the one of its depth that has."""
        if self.format() is not None:
            return self
        if self.depth not in _DEPTHS:
            raise HostError(
                f"The channels of this picture are {self.depth}, which underpaint cannot read: choose 8 or "
                "16 bits or float in Image › Convert Image Color Space."
            )
        return Space("RGBA", self.depth, LINEAR if self.is_float else SRGB)


def space_of(image: Image) -> Space:
    """The space in which a result's pixels lie, so that Krita can take them as they are."""
    pixels = image.format
    depth = pixels.data_type.value.upper()
    profile = {ColorSpace.SRGB: SRGB, ColorSpace.LINEAR_REC709: LINEAR}.get(pixels.color_space, "")
    space = Space("RGBA", depth, profile)
    if space.format() != pixels:
        raise HostError(
            f"The result lies as {pixels.channels.value} {depth} {pixels.color_space.value}, which Krita "
            "does not take. Update underpaint and its plug-in to the same version."
        )
    return space


def convert(data: Buffer, width: int, height: int, source: Space, target: Space) -> memoryview:
    """The pixels of a rectangle in another space, by Krita's colour management.

    Takes about a quarter of a second: only pictures in spaces of their own come here.
    """
    # A document of its own: converting a layer of the painter's leaves a step in the undo history.
    scratch = Krita.instance().createDocument(1, 1, "underpaint", *source, 72.0)
    if scratch is None:
        raise _no_conversion(source, target)
    try:
        node = scratch.createNode("conversion", "paintlayer")
        if node is None:
            raise _no_conversion(source, target)
        node.setPixelData(_bytes(data), 0, 0, width, height)
        if not node.setColorSpace(*target) or Space.of(node)[:2] != target[:2]:
            raise _no_conversion(source, target)
        return lent(node.pixelData(0, 0, width, height))
    finally:
        scratch.setModified(False)
        scratch.close()


def projected(document: Document, x: int, y: int, width: int, height: int) -> tuple[bytes, PixelFormat]:
    """The visible picture in 8 bit sRGB, converted by Krita: quick, for any space a document can have."""
    picture = document.projection(x, y, width, height)
    wanted = QtGui.QImage.Format.Format_ARGB32
    if picture.format() != wanted:
        picture = picture.convertToFormat(wanted)
    bits = picture.constBits()
    return bits.asstring(width * height * 4), PixelFormat(Channels.BGRA)


def lent(data: object) -> memoryview:
    """The memory of a QByteArray as it lies, not copied; it lives as long as the view of it."""
    return memoryview(data)  # type: ignore[arg-type]  # it has the buffer protocol, its types do not say so


def tight(image: Image) -> bytes:
    """An image's rows without gaps, as Krita wants them."""
    rows, row = memoryview(image.data), image.width * image.format.bytes_per_pixel
    if image.row_bytes == row:
        return bytes(rows[: row * image.height])
    starts = range(0, image.row_bytes * image.height, image.row_bytes)
    return b"".join(rows[start : start + row] for start in starts)


def _bytes(data: Buffer) -> bytes:
    return data if isinstance(data, bytes) else bytes(data)


def _no_conversion(source: Space, target: Space) -> HostError:
    names = [" ".join(space) for space in (source, target)]
    return HostError(
        f"Krita could not convert from {names[0]} to {names[1]}: choose another colour space in "
        "Image › Convert Image Color Space."
    )
