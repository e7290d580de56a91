"""Seconds and memory of a picture in the real daemon, as a host would ask for it."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import underpaint

from .figures import Figure

CORES = 2
PICTURES = 7


def _serving(folder: Path, daemon: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while not (folder / "daemon.json").exists():
        if daemon.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("the daemon did not start; 'underpaint doctor' says why")
        time.sleep(0.05)


def _peak_mb(parent: int) -> float:
    """The most memory that the worker (the daemon's child) ever had, in 10^6 bytes. Linux only."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = (folder / "status").read_text("utf-8")
            command = (folder / "cmdline").read_text("utf-8")
        except OSError:  # it ended meanwhile
            continue
        facts = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        if int(facts["PPid"]) == parent and "underpaint.engine" in command:
            return int(facts["VmHWM"].split()[0]) * 1024 / 1e6
    raise RuntimeError("the daemon has no worker")


def measured() -> Iterator[Figure]:
    """256 × 256 in ten steps on two cores, the first picture (which loads the model) apart."""
    cores = sorted(os.sched_getaffinity(0))[:CORES]
    with tempfile.TemporaryDirectory(prefix="up-", dir="/tmp") as name:
        folder = Path(name)  # a socket's path must be short
        places = {f"UNDERPAINT_{kind}_DIR": str(folder) for kind in ("RUNTIME", "STATE", "CONFIG")}
        os.environ.update(places)
        command = [sys.executable, "-m", "underpaint", "serve"]
        daemon = subprocess.Popen(
            ["taskset", "-c", ",".join(map(str, cores)), *command], stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": str(CORES)},
        )  # fmt: skip
        try:
            _serving(folder, daemon)
            pid = int(json.loads((folder / "daemon.json").read_text("utf-8"))["pid"])
            took = []
            with underpaint.connect(start=False) as client:
                for seed in range(PICTURES):
                    began = time.monotonic()
                    job = client.submit(underpaint.GenerateRequest(
                        prompt="red brick", model="swatch", seed=seed, steps=10, width=256, height=256,
                    ))  # fmt: skip
                    job.wait()
                    job.fetch()
                    took.append(time.monotonic() - began)
                    job.delete()
                peak = _peak_mb(pid)
        finally:
            daemon.terminate()
            daemon.wait(30)
            for place in places:
                del os.environ[place]
    load = os.getloadavg()[0]
    note = f"median of {PICTURES - 1} through the daemon, {CORES} cores, load {load:.1f}"
    yield Figure("seconds for 256 × 256 in ten steps", statistics.median(took[1:]), most=1.5, note=note)
    yield Figure("seconds for the first picture, with loading", took[0])
    yield Figure("peak memory of the worker, MB", peak, most=1200)
