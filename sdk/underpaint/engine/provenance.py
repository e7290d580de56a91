"""What made a picture: versions, and content hashes of the weights."""

from __future__ import annotations

import hashlib
import threading
from functools import lru_cache
from importlib import metadata
from pathlib import Path

import underpaint

_CHUNK = 4 << 20
_lock = threading.Lock()
_digests: dict[tuple[str, int, int], str] = {}


@lru_cache(maxsize=1)
def engine_version() -> str:
    """The engine's version with those of the libraries that decide about pixels."""
    parts = [f"underpaint {underpaint.__version__}"]
    parts += [f"{name} {metadata.version(name)}" for name in ("torch", "diffusers", "transformers")]
    return ", ".join(parts)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file in hex, computed once for each path, size and modification time. Any thread."""
    status = path.stat()
    key = (str(path), status.st_size, status.st_mtime_ns)
    with _lock:
        if key in _digests:
            return _digests[key]
    digest = sha256_of(path)
    with _lock:
        return _digests.setdefault(key, digest)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file in hex, read now. Any thread."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def weight_files(component: Path) -> list[Path]:
    """The files that a component's weights are read from, in order of name.

    Where a folder has several precisions, the plain ones: those that the loader takes. A component that is
    part of a file gives that file.
    """
    if component.is_file():
        return [component]
    files = sorted(component.glob("*.safetensors"))
    plain = [path for path in files if ".fp16." not in path.name and ".bf16." not in path.name]
    return plain or files
