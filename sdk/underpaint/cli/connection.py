"""How commands reach the daemon: they may start one from this very installation."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import underpaint
from underpaint.wire.discovery import read_launcher, write_launcher


def launch_command() -> list[str]:
    """How a host starts the daemon of this installation."""
    return [sys.executable, "-m", "underpaint", "serve"]


def remember_launcher() -> None:
    """Lets hosts start the daemon from here, unless they know a working one already.

    An installation without the daemon's libraries (a bare client) offers nothing to start.
    """
    known = read_launcher()
    usable = known is not None and Path(known.command[0]).exists()
    if not usable and find_spec("grpc") is not None:
        write_launcher(launch_command())


def connect_or_start() -> underpaint.Client:
    """A connection; the daemon is started if none runs."""
    remember_launcher()
    return underpaint.connect()
