"""Folders that several processes use."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

GONE_S = 60.0


def remove(folder: Path) -> None:
    """Removes a folder from which processes that are ending may still be taking files of their own."""
    deadline = time.monotonic() + GONE_S
    while True:
        try:
            shutil.rmtree(folder)
        except FileNotFoundError:
            # Either all of it is gone, or somebody was quicker with one file.
            if not folder.exists():
                return
        except OSError:
            # Somebody put a file there between our look and our last step.
            if time.monotonic() > deadline:
                raise
        else:
            return
        time.sleep(0.02)


def emptied(folder: Path) -> None:
    """Waits until nothing lies in a folder; fails with what stays."""
    deadline = time.monotonic() + GONE_S
    while left := list(folder.iterdir()):
        assert time.monotonic() < deadline, left
        time.sleep(0.02)
