"""Ticks a plug-in in Krita's settings and leaves every other byte of the file as it is."""

from __future__ import annotations

import secrets
from pathlib import Path

_GROUP = b"[python]"


def enable_plugin(path: Path, name: str) -> None:
    """Sets `enable_NAME=true` in the group [python] of kritarc, as Krita's own plug-in manager does.

    The file is replaced in one step; a link to it stays a link. Krita must not be running: it writes what it
    knows when it ends.
    """
    path = path.resolve()
    before = path.read_bytes() if path.exists() else b""
    after = _enabled(before, name)
    if after == before:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        scratch.write_bytes(after)
        if path.exists():
            scratch.chmod(path.stat().st_mode & 0o777)
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def is_enabled(path: Path, name: str) -> bool:
    """Whether the plug-in is ticked."""
    content = path.read_bytes() if path.exists() else b""
    return content == _enabled(content, name)


def _enabled(content: bytes, name: str) -> bytes:
    key = f"enable_{name}".encode()
    lines = content.splitlines(keepends=True)
    end = b"\r\n" if lines and lines[0].endswith(b"\r\n") else b"\n"
    wanted = key + b"=true" + end
    group = b""
    place = -1
    for index, line in enumerate(lines):
        text = line.strip()
        if text.startswith(b"["):
            group = text
        elif group == _GROUP and text.partition(b"=")[0].rstrip() == key:
            if text.partition(b"=")[2].strip() == b"true":
                return content
            return b"".join([*lines[:index], wanted, *lines[index + 1 :]])
        if group == _GROUP and text:
            place = index + 1
    if place >= 0:
        before = lines[:place]
        if not before[-1].endswith(b"\n"):
            before[-1] += end
        return b"".join([*before, wanted, *lines[place:]])
    gap = b"" if not lines else end if content.endswith(b"\n") else end + end
    return content + gap + _GROUP + end + wanted
