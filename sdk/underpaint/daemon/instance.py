"""One daemon a user: the lock, the address, the discovery file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from underpaint.errors import Unusable
from underpaint.wire.discovery import MAX_SOCKET_PATH, read_discovery

SOCKET = "daemon.sock"
LOCK = "daemon.lock"


class AlreadyRunning(Unusable):
    """Another daemon holds the lock of this run-time folder."""


class InstanceLock:
    """Held for the life of the process; the system lets it go however the process ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None

    def acquire(self) -> None:
        """Takes the lock; raises AlreadyRunning that says who has it."""
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        file = os.fdopen(handle, "r+b")
        if not _lock(file):
            file.seek(0)
            pid = file.read(20).decode("ascii", "replace").strip() or "unknown"
            file.close()
            running = read_discovery()
            where = f" at {running.address}" if running is not None and str(running.pid) == pid else ""
            raise AlreadyRunning(
                f"A daemon runs already: process {pid}{where}. Use it, or end it with: underpaint stop",
                metadata={"pid": pid},
            )
        file.truncate(0)
        file.write(str(os.getpid()).encode())
        file.flush()
        self._file = file

    def release(self) -> None:
        """Lets the lock go. The file stays: removing it would let two daemons lock two files."""
        if self._file is not None:
            self._file.close()
            self._file = None


def listen_address(runtime_dir: Path, transport: str, tcp_port: int) -> str:
    """What to listen on, as gRPC writes it: "unix:/path" where that is possible or asked for, else TCP."""
    path = runtime_dir / SOCKET
    short = len(os.fsencode(path)) <= MAX_SOCKET_PATH
    if transport == "tcp" or (transport == "auto" and (os.name != "posix" or not short)):
        return f"127.0.0.1:{tcp_port}"
    if not short:
        raise Unusable(
            f"The socket path {path} is longer than {MAX_SOCKET_PATH} bytes: set UNDERPAINT_RUNTIME_DIR to a "
            "shorter folder, or UNDERPAINT_TRANSPORT to tcp."
        )
    # Only with the lock held: a socket file that lies there belongs to nobody alive.
    path.unlink(missing_ok=True)
    return f"unix:{path}"


def _lock(file: BinaryIO) -> bool:
    if os.name == "nt":
        import msvcrt

        try:
            # Far behind the pid, which others shall be able to read.
            file.seek(1 << 20)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        except OSError:
            return False
        file.seek(0)
        return True
    import fcntl

    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
