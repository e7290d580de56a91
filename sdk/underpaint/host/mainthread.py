"""Helpers around a host's main thread: a queue to pump, and a meter of how long we hold it."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from underpaint.errors import ShuttingDown

T = TypeVar("T")


class MainThreadQueue:
    """Functions on their way to the main thread, for hosts that have no such queue of their own.

    `post` may be called from any thread. Whoever owns the main thread calls `pump` from a timer, or
    `pump_until` where the host has no event loop (scripts, batch mode).
    """

    def __init__(self) -> None:
        self._functions: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    def post(self, function: Callable[[], None]) -> None:
        """Queues `function`; returns at once."""
        self._functions.put(function)

    def pump(self) -> int:
        """Runs what is queued now and returns how many functions ran."""
        ran = 0
        # Only what is there now: a function that posts another must not starve the host's event loop.
        for _ in range(self._functions.qsize()):
            self._functions.get()()
            ran += 1
        return ran

    def pump_until(self, done: Callable[[], bool], timeout: float | None = None) -> bool:
        """Runs functions as they come until `done()`; False after `timeout` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not done():
            if deadline is not None and time.monotonic() > deadline:
                return False
            try:
                self._functions.get(timeout=0.02)()
            except queue.Empty:
                continue
        self.pump()
        return True


class HoldMeter:
    """How long our code held the main thread: the longest time and what for, in milliseconds."""

    def __init__(self) -> None:
        self.longest_ms = 0.0
        self.longest_what = ""

    @contextmanager
    def hold(self, what: str) -> Iterator[None]:
        """Measures one piece of work on the main thread."""
        start = time.perf_counter()
        try:
            yield
        finally:
            taken = (time.perf_counter() - start) * 1000
            if taken > self.longest_ms:
                self.longest_ms, self.longest_what = taken, what


class MainCall(Generic[T]):
    """One function that a background thread has run on the main thread, and waits for."""

    def __init__(self, function: Callable[[], T], what: str, meter: HoldMeter) -> None:
        self._function = function
        self._what = what
        self._meter = meter
        self._done = threading.Event()
        self._value: list[T] = []
        self._error: BaseException | None = None

    def __call__(self) -> None:
        """Runs the function; called on the main thread. An error travels to the waiting thread."""
        try:
            with self._meter.hold(self._what):
                self._value.append(self._function())
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            self._error = error
        finally:
            self._done.set()

    def result(self, stop: threading.Event) -> T:
        """Waits for the outcome, in the background thread; gives up when `stop` is set (host closing)."""
        while not self._done.wait(0.1):
            if stop.is_set():
                raise ShuttingDown("The host is closing; the job stays in the daemon.")
        if self._error is not None:
            raise self._error
        return self._value[0]


class Latest:
    """Posts only the newest of many updates, so that a slow host never lags behind a fast job."""

    def __init__(self, post: Callable[[Callable[[], None]], None]) -> None:
        self._post = post
        self._lock = threading.Lock()
        self._pending: Callable[[], None] | None = None

    def __call__(self, function: Callable[[], None]) -> None:
        """Replaces what is still waiting; called from any thread."""
        with self._lock:
            waiting, self._pending = self._pending is not None, function
        if not waiting:
            self._post(self._run)

    def _run(self) -> None:
        with self._lock:
            function, self._pending = self._pending, None
        if function is not None:
            function()
