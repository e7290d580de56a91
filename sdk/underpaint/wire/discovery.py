"""How a client finds the daemon, and how it starts one.

The daemon writes `daemon.json` into its run-time folder: address, token, versions. Whoever can read that
file (0600, in a private folder) may talk to the daemon. The launcher in the configuration folder holds
the command that starts a daemon; setting up underpaint writes it, and a client in any host reads it.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from underpaint.wire.paths import config_dir, private_dir, runtime_dir

MAX_SOCKET_PATH: Final = 103
"""Longest path of a Unix socket, in bytes: sun_path holds 104 on macOS, the end mark included."""


def discovery_path() -> Path:
    """The discovery file."""
    return runtime_dir() / "daemon.json"


def lock_path() -> Path:
    """The file that a running daemon holds a lock on."""
    return runtime_dir() / "daemon.lock"


def socket_path() -> Path:
    """The daemon's Unix socket; too long a path means TCP instead."""
    return runtime_dir() / "daemon.sock"


def launcher_path() -> Path:
    """The file with the command that starts a daemon."""
    return config_dir() / "launcher.json"


@dataclass(frozen=True, slots=True)
class Discovery:
    """A running daemon: `address` is "unix:/absolute/path" or "tcp:127.0.0.1:PORT"."""

    address: str
    token: str
    pid: int
    protocol_minimum: int
    protocol_maximum: int
    version: str


@dataclass(frozen=True, slots=True)
class Launcher:
    """The command that starts a daemon, its first element an absolute path."""

    command: tuple[str, ...]


def read_discovery() -> Discovery | None:
    """The daemon that wrote the discovery file last; None without a file, or with one we cannot read.

    That it answers is not said: its process may be gone.
    """
    found = _read(discovery_path())
    try:
        return Discovery(
            address=_text(found["address"]),
            token=_text(found["token"]),
            pid=int(found["pid"]),
            protocol_minimum=int(found["protocol_minimum"]),
            protocol_maximum=int(found["protocol_maximum"]),
            version=_text(found["version"]),
        )
    except (KeyError, TypeError, ValueError):
        return None


def write_discovery(discovery: Discovery, path: Path | None = None) -> None:
    """Replaces the discovery file (or the one at `path`) in one step; readable by this user only."""
    _write(path or discovery_path(), asdict(discovery))


def remove_discovery(pid: int) -> None:
    """Removes the discovery file if it is still that of process `pid`."""
    found = read_discovery()
    if found is not None and found.pid == pid:
        discovery_path().unlink(missing_ok=True)


def read_launcher() -> Launcher | None:
    """The command that starts a daemon; None if none was set up."""
    command = _read(launcher_path()).get("command")
    if not isinstance(command, list) or not command or not all(isinstance(part, str) for part in command):
        return None
    return Launcher(tuple(command))


def write_launcher(command: Sequence[str]) -> None:
    """Remembers the command that starts a daemon."""
    _write(launcher_path(), {"command": list(command)})


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(path: Path, content: dict[str, Any]) -> None:
    private_dir(path.parent)
    scratch = path.with_name(f"{path.name}.{os.urandom(4).hex()}")
    try:
        handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(content, file)
        scratch.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            scratch.unlink(missing_ok=True)
        raise


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected text, got {value!r}")
    return value
