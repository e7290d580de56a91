"""How a picture was made, in its file: XMP and `parameters` as other programs write them.

PNG holds both as text chunks. OpenRaster has them in its merged picture, and a layer's own records in the
layer's. JPEG, WebP and TIFF hold the XMP. Other formats hold nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from PIL import Image as Pictures

from underpaint.provenance import (
    Parameters,
    parameters_text,
    read_parameters,
    read_records,
    source_type,
    without_words,
    xmp_packet,
)
from underpaint.testing.reference.document import Document
from underpaint.types import Provenance

XMP: Final = "XML:com.adobe.xmp"
PARAMETERS: Final = "parameters"
RECORDS: Final = "underpaint"
"""Of one layer's picture in an OpenRaster file: its records alone, as JSON."""
HOLD_XMP: Final = frozenset({"JPEG", "WEBP", "TIFF"})
"""Pillow's names of the formats, beside PNG, that hold XMP."""
_TIFF_XMP: Final = 700
_MOST: Final = 65_000
"""Bytes of XMP: one segment of a JPEG file holds 65,502."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a file says of how it was made."""

    records: tuple[Provenance, ...] = ()
    """underpaint's own, oldest first."""
    parameters: Parameters | None = None
    """A1111's text, also of other programs."""
    source_type: str = ""
    """IPTC's digital source type, for example "trainedAlgorithmicMedia"."""


def texts_of(document: Document) -> dict[str, str]:
    """Text chunks for a PNG file, by their keys; none where no model was at work."""
    records = document.made_by
    if not records:
        return {}
    return {
        PARAMETERS: parameters_text(records[-1]),
        XMP: xmp_packet(records, composite=document.is_composite),
    }


def told_to(kind: str, document: Document) -> tuple[dict[str, Any], str]:
    """What Pillow's `save` needs for one of `HOLD_XMP`, and a note where something had to be left out."""
    packet, note = _short_packet(document) if kind in HOLD_XMP else (b"", "")
    if not packet:
        return {}, ""
    return {"tiffinfo": {_TIFF_XMP: packet}} if kind == "TIFF" else {"xmp": packet}, note


def _short_packet(document: Document) -> tuple[bytes, str]:
    records, note = document.made_by, ""
    if not records:
        return b"", ""
    packet = xmp_packet(records, composite=document.is_composite)
    if len(packet) > _MOST:
        records, note = records[-1:], "Only how the last picture was made fits into this file."
        packet = xmp_packet(records, composite=document.is_composite)
    if len(packet) > _MOST:
        note = "The prompt is too long for this file: it says how the picture was made without its words."
        packet = xmp_packet([without_words(records[0])], composite=document.is_composite)
    return packet.encode(), note


def told_by(texts: Mapping[str, str]) -> Told:
    """What a file's texts say of it, by their PNG keys; damaged or strange ones are as none."""
    packet = texts.get(XMP, "")
    return Told(
        records=read_records(packet),
        parameters=read_parameters(texts.get(PARAMETERS, "")),
        source_type=source_type(packet),
    )


def texts_in(picture: Pictures.Image) -> dict[str, str]:
    """An opened picture's texts by their PNG keys, whatever its format calls them."""
    tags = getattr(picture, "tag_v2", {})
    found = {
        XMP: picture.info.get(XMP) or picture.info.get("xmp") or tags.get(_TIFF_XMP, b""),
        PARAMETERS: picture.info.get(PARAMETERS, ""),
    }
    return {
        key: value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
        for key, value in found.items()
    }
