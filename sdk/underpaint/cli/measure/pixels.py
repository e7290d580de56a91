"""What it costs to hand pixels to the daemon, beside one copy in memory."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator

import underpaint
from underpaint.cli.measure import Figure, scratch_daemon
from underpaint.types import Image

EDGE = 4096
RATIO = 1.5


def measure(rounds: int) -> Iterator[Figure]:
    """One 4096² RGBA8 layer up through mapped files, over one memcpy of it; medians, interleaved."""
    pixels = os.urandom(EDGE * EDGE * 4)
    # A bytearray copies what it is given before it copies it in: the floor would look twice as high.
    target = memoryview(bytearray(len(pixels)))
    image = Image(EDGE, EDGE, pixels)

    def copy() -> None:
        target[:] = pixels

    with scratch_daemon(), underpaint.connect(start=False) as client:

        def upload() -> None:
            client.release(client.upload(image))

        copied, sent = [], []
        for _ in range(rounds + 1):
            copied.append(_timed(copy))
            sent.append(_timed(upload))
    ours, floor = statistics.median(sent[1:]), statistics.median(copied[1:])
    detail = f"{ours * 1000:.0f} ms, memcpy {floor * 1000:.0f} ms, {len(pixels) / 1e6:.0f} MB"
    yield Figure("4096² layer up, mapped", ours / floor, RATIO, "x", detail)


def _timed(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
