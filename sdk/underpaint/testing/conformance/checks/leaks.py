"""Nothing is left behind once jobs are placed and sessions are closed."""

from __future__ import annotations

import gc
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from underpaint.host import Session
from underpaint.testing.conformance.check import check, expect
from underpaint.testing.conformance.checks.jobs import HOLE, PLACED
from underpaint.testing.conformance.patterns import hard_mask
from underpaint.testing.conformance.rig import Unsupported
from underpaint.testing.conformance.stage import WIDE, Stage

_JOBS = 3
_SETTLE_S = 30.0
_LOOKS = 5
_DESCRIPTORS = (Path("/proc/self/fd"), Path("/dev/fd"))


def _work(stage: Stage) -> Session:
    """A few jobs, one after the other."""
    session = stage.session()
    for number in range(_JOBS):
        stage.end(stage.work(session, f"moss {number}"))
    return session


def _ready(stage: Stage) -> None:
    """Once around, so that what is made once is there."""
    document = stage.open_painted(canvas=WIDE)
    stage.select(document, hard_mask(HOLE))
    stage.link.script(steps=2)
    _work(stage).close()


def _settled(stage: Stage, calm: Callable[[], bool]) -> None:
    """Turns the event loop until it is calm, or for a while; pixels end with the garbage."""
    deadline = time.monotonic() + _SETTLE_S
    while time.monotonic() < deadline:
        stage.idle(0.05)
        gc.collect()
        if calm():
            return


@check(
    "no-leaked-blobs",
    "Pixels of placed jobs are given back to the daemon.",
    advice="Keep no Image, Result or view of its data after write_result has returned: the daemon's memory "
    "stays "
    "taken as long as it lives. Copy what you need.",
    rests_on=PLACED,
)
def no_leaked_blobs(stage: Stage) -> None:
    """Asked of the daemon while the session is open: its end would give everything back."""
    _ready(stage)
    session = _work(stage)
    _settled(stage, lambda: not stage.link.blobs())
    left = stage.link.blobs()
    size = sum(int(blob["size"]) for blob in left)
    expect(
        not left,
        f"{len(left)} blobs ({size} bytes) are still held in the daemon after {_JOBS} placed jobs",
    )
    session.close()
    expect(not stage.link.jobs(), f"jobs are left in the daemon: {stage.link.jobs()}")
    leaks = list(stage.rig.leaks())
    expect(not leaks, f"the program still holds: {', '.join(leaks)}")


@check(
    "no-leaked-threads",
    "No thread of a job outlives its session.",
    advice="End threads and timers of your own when their task is done; do not start one for each result.",
    rests_on=PLACED,
)
def no_leaked_threads(stage: Stage) -> None:
    """By name."""
    _ready(stage)
    _settled(stage, lambda: not any(name.startswith("underpaint") for name in _threads()))
    before = _threads()
    _work(stage).close()
    _settled(stage, lambda: not _threads() - before)
    left = _threads() - before
    expect(not left, f"{left.total()} threads more than before {_JOBS} jobs: {', '.join(sorted(left))}")


@check(
    "no-leaked-descriptors",
    "No file, socket or mapping of a job stays open after its session.",
    advice="Close the files that you open for a result, in a with statement.",
    rests_on=PLACED,
)
def no_leaked_descriptors(stage: Stage) -> None:
    """Counted by the system."""
    folder = next((folder for folder in _DESCRIPTORS if folder.is_dir()), None)
    if folder is None:
        raise Unsupported("this system has no list of open descriptors")
    _ready(stage)
    _settled(stage, _steady(folder))
    before = _open(folder)
    _work(stage).close()
    _settled(stage, lambda: _open(folder).total() <= before.total())
    left = _open(folder) - before
    more = _open(folder).total() - before.total()
    expect(more <= 0, f"{more} descriptors more than before {_JOBS} jobs: {', '.join(sorted(left))}")


def _steady(folder: Path) -> Callable[[], bool]:
    """True once the number has not changed for a few looks."""
    seen: list[int] = []

    def same() -> bool:
        seen.append(_open(folder).total())
        return len(seen) > _LOOKS and len(set(seen[-_LOOKS:])) == 1

    return same


def _threads() -> Counter[str]:
    return Counter(thread.name for thread in threading.enumerate())


def _open(folder: Path) -> Counter[str]:
    """What is open, by what it leads to; one that closes while we look is not counted."""
    found: Counter[str] = Counter()
    for entry in folder.iterdir():
        try:
            found[str(entry.readlink())] += 1
        except OSError:
            continue
    return found
