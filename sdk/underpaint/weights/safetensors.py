"""Headers of safetensors files, read without the library: a length, a JSON object, then the tensors' bytes.

The format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

from underpaint.errors import ModelUnusable
from underpaint.weights.listing import Listing

MAX_HEADER = 32 << 20
"""Bytes. The largest seen are training logs of some MiB; the library stops at 100 MB."""

_FRONT = b'{"__metadata__":'
_BITS = {
    **{"BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8},
    **{"F8_E5M2FNUZ": 8, "U16": 16, "I16": 16, "F16": 16, "BF16": 16, "U32": 32, "I32": 32, "F32": 32},
    **{"U64": 64, "I64": 64, "F64": 64, "C64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6},
}


@dataclass(frozen=True, slots=True)
class RawHeader:
    """A header whose metadata have been read and whose tensors have not."""

    path: Path
    tensors: bytes
    """JSON of the tensors: models of one architecture that one program wrote have the same."""
    metadata: Mapping[str, str]
    data_bytes: int
    """What follows the header in the file."""


def read_header(path: Path) -> RawHeader:
    """The header of a file. Raises `OSError`, and `ModelUnusable` for what is no safetensors file."""
    with path.open("rb") as file:
        head = file.read(8)
        size = file.seek(0, 2)
        length = int.from_bytes(head, "little")
        if len(head) < 8 or length < 2 or 8 + length > size:
            raise broken(path, "it is no safetensors file, or its download stopped early")
        if length > MAX_HEADER:
            raise broken(path, f"its header claims {length:,} bytes; at most {MAX_HEADER:,} are read")
        file.seek(8)
        raw = file.read(length)
    metadata: Any = {}
    if raw.startswith(_FRONT):
        try:
            metadata, end = json.JSONDecoder().raw_decode(raw.decode("utf-8"), len(_FRONT))
        except (ValueError, RecursionError) as error:
            raise broken(path, f"its header is not valid JSON ({type(error).__name__})") from error
        # Offsets of text are those of bytes only in ASCII.
        end = end if raw.isascii() else len(raw.decode("utf-8")[:end].encode("utf-8"))
        raw = b"{" + raw[end:].lstrip().removeprefix(b",")
    return RawHeader(path, raw, _texts(path, metadata), size - 8 - length)


def parse_tensors(header: RawHeader) -> tuple[Listing, int]:
    """The tensors of a header, and how many bytes they take in the file.

    The listing's metadata are those that stand among the tensors, not `header.metadata`.
    Raises `ModelUnusable` for a malformed header.
    """
    path = header.path
    try:
        entries = json.loads(header.tensors)
    except (ValueError, RecursionError) as error:
        raise broken(path, f"its header is not valid JSON ({type(error).__name__})") from error
    if not isinstance(entries, dict):
        raise broken(path, "its header holds no object")
    metadata = _texts(path, entries.pop("__metadata__", {}))
    shapes: dict[str, tuple[int, ...]] = {}
    dtypes: dict[str, str] = {}
    end = 0
    for name, entry in entries.items():
        try:
            dtype, shape = entry["dtype"], tuple(entry["shape"])
            begin, stop = entry["data_offsets"]
            bits = _BITS[dtype]
            agree = 8 * (stop - begin) == bits * prod(shape) and begin >= 0 and min(shape, default=0) >= 0
        except (TypeError, KeyError, ValueError) as error:
            raise broken(path, f"the header's entry {name[:80]!r} is malformed") from error
        if not agree:
            raise broken(path, f"shape and bytes of {name[:80]!r} do not agree")
        end = max(end, stop)
        shapes[name], dtypes[name] = shape, dtype
    return Listing(path, shapes, dtypes, metadata), end


def check_length(header: RawHeader, end: int) -> None:
    """Raises `ModelUnusable` for a file whose end is missing."""
    if end > header.data_bytes:
        raise broken(header.path, f"{end - header.data_bytes:,} bytes are missing at its end")


def read_safetensors(path: Path) -> Listing:
    """All of a header at once. Reads no tensor. Raises `OSError` and `ModelUnusable`."""
    header = read_header(path)
    listing, end = parse_tensors(header)
    check_length(header, end)
    return replace(listing, metadata={**listing.metadata, **header.metadata})


def tensor_spans(path: Path) -> dict[str, tuple[str, int, int]]:
    """By tensor's name, in order: its type and shape in words, its first byte in the file, and the end.

    Raises `OSError` and `ModelUnusable`.
    """
    header = read_header(path)
    listing, end = parse_tensors(header)
    check_length(header, end)
    first = path.stat().st_size - header.data_bytes
    entries = json.loads(header.tensors)
    spans = {}
    for name in sorted(listing.shapes):
        begin, stop = entries[name]["data_offsets"]
        spans[name] = (f"{listing.dtypes[name]} {listing.shapes[name]}", first + begin, first + stop)
    return spans


def broken(path: Path, why: str) -> ModelUnusable:
    """The error for a file that is not what its name says."""
    return ModelUnusable(
        f"The file {path.name!r} cannot be read: {why}. Download it again.", metadata={"path": str(path)}
    )


def _texts(path: Path, found: Any) -> dict[str, str]:
    if not isinstance(found, dict):
        raise broken(path, "its metadata hold no object")
    return {key: value for key, value in found.items() if isinstance(value, str)}
