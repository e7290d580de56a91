"""How fast and how small things are before any model is loaded."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from underpaint.cli.measure import Figure, scratch_daemon

READY_S = 1.5
RESIDENT_MB = 120.0
IMPORT_S = 0.35
TIMED_IMPORT = (
    "import time; start = time.perf_counter(); import underpaint.client, underpaint.host;"
    "print(time.perf_counter() - start)"
)


def measure(rounds: int) -> Iterator[Figure]:
    """Daemon ready, its memory, and the client's import; medians of `rounds` fresh processes."""
    ready, resident = [], []
    for _ in range(rounds):
        with scratch_daemon() as daemon:
            ready.append(daemon.ready_s)
            resident.append(_resident_mb(daemon.pid))
    yield Figure("daemon ready, no model", statistics.median(ready), READY_S, "s", "process start to answer")
    if None not in resident:
        known = [value for value in resident if value is not None]
        yield Figure("daemon resident, no worker", statistics.median(known), RESIDENT_MB, "MB")
    imports = [
        float(subprocess.run([sys.executable, "-c", TIMED_IMPORT], capture_output=True, check=True).stdout)
        for _ in range(rounds)
    ]
    yield Figure("client import", statistics.median(imports), IMPORT_S, "s", "fresh interpreter")


def _resident_mb(pid: int) -> float | None:
    """Resident memory of a process from /proc; None where there is no /proc."""
    try:
        status = Path(f"/proc/{pid}/status").read_text("utf-8")
    except OSError:
        return None
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024 / 1e6
