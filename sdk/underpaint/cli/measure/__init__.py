"""What `underpaint bench` measures; each module yields figures."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import underpaint
from underpaint.errors import DaemonUnreachable
from underpaint.wire.discovery import read_discovery

START_LIMIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Figure:
    """One measurement beside its budget; both in `unit`."""

    what: str
    value: float
    budget: float
    unit: str
    detail: str = ""

    @property
    def met(self) -> bool:
        """Whether the budget is kept."""
        return self.value <= self.budget


@dataclass(frozen=True, slots=True)
class ScratchDaemon:
    """A daemon of the benchmark's own, without workers."""

    pid: int
    ready_s: float


@contextmanager
def scratch_daemon() -> Iterator[ScratchDaemon]:
    """Starts a daemon without workers in a scratch folder; this process's clients find that one."""
    with tempfile.TemporaryDirectory(prefix="underpaint-bench-") as scratch:
        places = {
            f"UNDERPAINT_{part}_DIR": str(Path(scratch) / part.lower())
            for part in ("RUNTIME", "STATE", "CONFIG")
        }
        environment = {**places, "UNDERPAINT_START_WORKERS": "no"}
        with mock.patch.dict(os.environ, environment):
            os.environ.pop("UNDERPAINT_PIXEL_DIR", None)
            begin = time.perf_counter()
            process = subprocess.Popen(
                [sys.executable, "-m", "underpaint", "serve"],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            try:
                while read_discovery() is None:
                    if process.poll() is not None or time.perf_counter() - begin > START_LIMIT_S:
                        raise DaemonUnreachable("The benchmark's own daemon did not start.")
                    time.sleep(0.005)
                with underpaint.connect(start=False) as client:
                    client.server_info()
                    ready = time.perf_counter() - begin
                yield ScratchDaemon(process.pid, ready)
            finally:
                process.terminate()
                process.wait(30)
