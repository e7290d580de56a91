"""Holding the engine still, so that a job lasts as long as a test needs it on a machine of any speed.

Standard library only, and works on both sides of a sandbox: a daemon's run-time folder has one path on both.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path


def processes(*words: str) -> list[int]:
    """Process ids whose arguments hold each of these words, in a word of their own or in part of one."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            command = (entry / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue  # it ended while we looked
        if all(word in command for word in words):
            found.append(int(entry.name))
    return found


def engines(runtime: str | Path) -> list[int]:
    """The engine processes of the daemon whose run-time folder this is."""
    return processes("underpaint.engine", f"{runtime}/")


@contextlib.contextmanager
def held(runtime: str | Path) -> Iterator[None]:
    """The engine does nothing inside this block: jobs can be sent, and none can end.

    Begin it once `engines` has found some.
    """
    stopped = engines(runtime)
    if not stopped:
        raise AssertionError(f"no engine of {runtime} runs: wait for one first")
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in stopped:
            # A test may have killed it.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
