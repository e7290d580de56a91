"""Whether two places hold the very same weights: a cheap look first, every byte only where that agrees.

Two checkpoints often carry one VAE and one text encoder, in files of different names. A mark of a few
kilobytes (sizes, tensors' names, samples of their bytes) tells most pairs apart in milliseconds; what has the
same mark is hashed in full, once for each file and modification time.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO

from underpaint.engine.memory.states import Slot
from underpaint.engine.provenance import file_sha256, weight_files
from underpaint.weights.places import prefix_of
from underpaint.weights.safetensors import tensor_spans

SAMPLES = 16
"""Places of a file, or of a part of it, that are looked at."""
SAMPLE_BYTES = 4096
_CHUNK = 4 << 20
_NOT_CONTENT = ("_name_or_path", "_diffusers_version", "transformers_version")
"""Keys of a configuration that do not change what is computed."""
_SMALL = 16 << 20
"""Bytes of files beside the weights (tokenizers, configurations) that are read whole."""

_Key = tuple[str, str, int, int]
_lock = threading.Lock()
_parts: dict[_Key, str] = {}


def mark(slot: Slot) -> str:
    """A digest that differs where sizes, names or samples of the weights do. Milliseconds. Any thread.

    "" for a place without weights, which is like no other. Raises `OSError` and `ModelUnusable` where the
    files cannot be read.
    """
    weights = weight_files(Path(slot.folder))
    if not weights:
        return ""
    digest = hashlib.sha256(_surroundings(slot))
    for path in weights:
        spans = _spans(path, slot.part)
        if not spans:
            return ""
        total = sum(stop - start for _, start, stop in spans)
        with path.open("rb") as file:
            for label, start, stop in spans:
                digest.update(f"{label}:{stop - start};".encode())
                _sample(file, start, stop, total, digest.update)
    return digest.hexdigest()


def content(slot: Slot) -> str:
    """SHA-256 over everything that makes the component: all weights, configuration, tokenizer. Any thread.

    Gigabytes take seconds; remembered for each file as long as it does not change.
    """
    digest = hashlib.sha256(_surroundings(slot))
    for path in weight_files(Path(slot.folder)):
        digest.update((_part_sha256(path, slot.part) if slot.part else file_sha256(path)).encode())
    return digest.hexdigest()


def _surroundings(slot: Slot) -> bytes:
    """What makes the component beside its weights."""
    folder = Path(slot.folder)
    found = [slot.dtype, slot.part]
    places = [Path(place) for place in slot.beside]
    for path in [folder / "config.json", *places] if folder.is_dir() else places:
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        found += [_small(file) for file in files if file.is_file() and file.stat().st_size <= _SMALL]
    return "\n".join(found).encode()


def _small(path: Path) -> str:
    data = path.read_bytes()
    if path.name == "config.json":
        kept = {key: value for key, value in json.loads(data).items() if key not in _NOT_CONTENT}
        data = json.dumps(kept, sort_keys=True).encode()
    return f"{path.name} {hashlib.sha256(data).hexdigest()}"


def _spans(path: Path, part: str) -> list[tuple[str, int, int]]:
    """What of a file counts, as (name, first byte, byte behind the last)."""
    if not part:
        return [("", 0, path.stat().st_size)]
    found = tensor_spans(path)
    prefix = prefix_of(part, found)
    return [
        (f"{name.removeprefix(prefix)} {kind}", begin, stop)
        for name, (kind, begin, stop) in found.items()
        if name.startswith(prefix)
    ]


def _part_sha256(path: Path, part: str) -> str:
    status = path.stat()
    key = (str(path), part, status.st_size, status.st_mtime_ns)
    with _lock:
        if key in _parts:
            return _parts[key]
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for label, start, stop in _spans(path, part):
            digest.update(f"{label}:{stop - start};".encode())
            for piece in _pieces(file, start, stop):
                digest.update(piece)
    with _lock:
        return _parts.setdefault(key, digest.hexdigest())


def _sample(file: IO[bytes], start: int, stop: int, total: int, update: Callable[[bytes], None]) -> None:
    # Each span gets its share of the samples, and one at least.
    count = max(1, round(SAMPLES * (stop - start) / max(1, total)))
    for index in range(count):
        file.seek(start + (stop - start) * index // count)
        update(file.read(min(SAMPLE_BYTES, max(0, stop - file.tell()))))


def _pieces(file: IO[bytes], start: int, stop: int) -> Iterable[bytes]:
    file.seek(start)
    while start < stop and (piece := file.read(min(_CHUNK, stop - start))):
        start += len(piece)
        yield piece
