"""Waiting for what comes true by itself, with more patience than any machine needs."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Callable

from underpaint.testing.fake_daemon import FakeDaemon

SOON_S = 60.0


def eventually(true: Callable[[], object], what: str = "it does not happen") -> None:
    """Collects garbage while it waits: pixels are given back when nobody refers to them."""
    deadline = time.monotonic() + SOON_S
    while not true():
        assert time.monotonic() < deadline, what
        gc.collect()
        time.sleep(0.02)


async def eventually_async(true: Callable[[], object], what: str = "it does not happen") -> None:
    """As `eventually`, for what happens on this loop."""
    deadline = time.monotonic() + SOON_S
    while not true():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.01)


class During:
    """Does something, in a thread, once a call has arrived at the daemon: in the middle of that call.

        with During(daemon, "SubmitJob", daemon.restart):
            client.submit(request)

    Delays end before `act`, for calls that come after it.
    """

    def __init__(self, daemon: FakeDaemon, call: str, act: Callable[[], object]) -> None:
        self._daemon = daemon
        self._call = call
        self._act = act
        self._before = daemon.calls.count(call)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *error: object) -> None:
        self._thread.join(2 * SOON_S)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        eventually(lambda: self._daemon.calls.count(self._call) > self._before, f"no {self._call}")
        self._daemon.delays.clear()
        self._act()
