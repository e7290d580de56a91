"""What a process gives up before it reads a stranger's pickle: other files, the network, programs, memory.

Three fences, one behind the other. `torch.load(weights_only=True)` builds tensors and plain containers only.
Limits of the system (where there are any: not on Windows) leave no free file descriptor, so that nothing can
be opened or connected, and bound memory, time and the size of what is written. An audit hook refuses what
Python is asked for, on every system. Neither limits nor hook can be taken back.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Any, Final

SECONDS: Final = 900
"""Of processor time."""
_FORBIDDEN: Final = (
    *("open", "socket.", "subprocess.", "os.", "shutil.", "ctypes.", "mmap.", "import", "exec", "compile"),
    *("ftplib.", "http.", "urllib.", "webbrowser.", "winreg.", "_winapi.", "signal.", "sqlite3."),
)
# What torch asks for on its way; none of these reaches a file or another process.
_HARMLESS: Final = ("os.listxattr", "os.getxattr")


class Forbidden(PermissionError):
    """Something tried to leave the fence."""


def lock_down(descriptors: tuple[int, ...], memory: int, written: int) -> None:
    """Keeps only `descriptors`; at most `memory` bytes of address space and `written` bytes in a file.

    For the rest of this process.
    """
    with contextlib.suppress(ImportError):
        _limit(descriptors, memory, written)
    sys.addaudithook(_refuse)


def _limit(descriptors: tuple[int, ...], memory: int, written: int) -> None:
    import resource

    for limit, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, SECONDS),
        (resource.RLIMIT_FSIZE, written),
        (resource.RLIMIT_AS, memory),
    ):
        resource.setrlimit(limit, (value, value))
    kept = max(descriptors)
    for number in set(range(3, kept)) - set(descriptors):
        with contextlib.suppress(OSError):
            os.close(number)
    # The highest number that is kept is the last one that the system gives: numbers below it are taken up.
    for number in set(range(3, kept)) - set(descriptors):
        os.dup2(0, number)
    resource.setrlimit(resource.RLIMIT_NOFILE, (kept + 1, kept + 1))


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if event.startswith(_FORBIDDEN) and event not in _HARMLESS:
        raise Forbidden(f"the file asked for {event}, which is not allowed")
