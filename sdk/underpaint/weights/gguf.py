"""Headers of GGUF files: key-value pairs and the tensors' names, shapes and kinds of quantisation.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

from underpaint.errors import ModelUnusable
from underpaint.weights.listing import Listing
from underpaint.weights.safetensors import broken

MAGIC = b"GGUF"
ARCHITECTURE = "general.architecture"
MAX_HEADER = 64 << 20
"""Bytes. A language model's vocabulary takes some MiB."""
_MAX_ITEMS = 1 << 20
_MAX_TEXT = 1 << 20
_STRING, _ARRAY = 8, 9
# Bytes of the fixed-size value kinds: u8 i8 u16 i16 u32 i32 f32 bool … u64 i64 f64.
_WIDTHS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_KINDS = {
    **{0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0", 9: "Q8_1"},
    **{10: "Q2_K", 11: "Q3_K", 12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 15: "Q8_K", 24: "I8", 25: "I16"},
    **{16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S"},
    **{23: "IQ4_XS", 26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M", 30: "BF16", 34: "TQ1_0", 35: "TQ2_0"},
    39: "MXFP4",
}
UNPACKED = frozenset(
    ("F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K")
    + ("IQ4_NL", "IQ4_XS")
)
"""Kinds of tensors that the engine reads: those that diffusers unpacks."""


def read_gguf(path: Path) -> Listing:
    """The header of a file, shapes in torch's order (slowest axis first). Reads no tensor.

    Raises `OSError`, and `ModelUnusable` for what is no whole GGUF file.
    """
    with path.open("rb") as file:
        try:
            return _read(path, _Reader(file))
        except (EOFError, UnicodeDecodeError) as error:
            raise broken(path, "its GGUF header ends early or is malformed") from error


class _Reader:
    """Little-endian values from a file, never beyond `MAX_HEADER`."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def take(self, count: int) -> bytes:
        if count < 0 or self._file.tell() + count > MAX_HEADER:
            raise EOFError
        data = self._file.read(count)
        if len(data) != count:
            raise EOFError
        return data

    def skip(self, count: int) -> None:
        if self._file.tell() + count > MAX_HEADER:
            raise EOFError
        self._file.seek(count, 1)

    def u32(self) -> int:
        return int(struct.unpack("<I", self.take(4))[0])

    def u64(self) -> int:
        return int(struct.unpack("<Q", self.take(8))[0])

    def count(self) -> int:
        found = self.u64()
        if found > _MAX_ITEMS:
            raise EOFError
        return found

    def text(self) -> str:
        length = self.u64()
        if length > _MAX_TEXT:
            raise EOFError
        return self.take(length).decode("utf-8")


def _read(path: Path, reader: _Reader) -> Listing:
    if reader.take(4) != MAGIC:
        raise broken(path, "it is no GGUF file")
    version = reader.u32()
    if version not in (2, 3):
        raise ModelUnusable(
            f"The file {path.name!r} is GGUF of version {version}; 2 and 3 are read. Convert it anew.",
            metadata={"path": str(path)},
        )
    tensors, pairs = reader.count(), reader.count()
    metadata: dict[str, str] = {}
    for _ in range(pairs):
        key, kind = reader.text(), reader.u32()
        if kind == _STRING:
            metadata[key] = reader.text()
        else:
            _skip(reader, kind)
    shapes: dict[str, tuple[int, ...]] = {}
    dtypes: dict[str, str] = {}
    for _ in range(tensors):
        name, axes = reader.text(), reader.u32()
        if axes > 8:
            raise EOFError
        shapes[name] = tuple(reader.u64() for _ in range(axes))[::-1]
        kind = reader.u32()
        dtypes[name] = _KINDS.get(kind, f"GGML_{kind}")
        reader.u64()
    return Listing(path, shapes, dtypes, metadata, "gguf")


def _skip(reader: _Reader, kind: int) -> None:
    if kind != _ARRAY:
        if kind not in _WIDTHS:
            raise EOFError
        reader.skip(_WIDTHS[kind])
        return
    element, count = reader.u32(), reader.u64()
    if element == _STRING:
        if count > _MAX_ITEMS:
            raise EOFError
        for _ in range(count):
            reader.skip(reader.u64())
    elif element in _WIDTHS:
        reader.skip(count * _WIDTHS[element])
    else:
        raise EOFError
