"""The order in which jobs get to a worker: live, interactive, batch; inside each, first come first served."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterator

from underpaint.v1.job_service_pb2 import (
    PRIORITY_BATCH,
    PRIORITY_INTERACTIVE,
    PRIORITY_LIVE,
    Priority,
)

_RANKS = {PRIORITY_LIVE: 0, PRIORITY_INTERACTIVE: 1, PRIORITY_BATCH: 2}


class JobQueue:
    """Names of jobs in order. A job that comes back after a lost worker takes its old place."""

    def __init__(self) -> None:
        self._order: list[tuple[int, int, str]] = []

    def __len__(self) -> int:
        return len(self._order)

    def __iter__(self) -> Iterator[str]:
        """Names, the next one first."""
        return iter([name for _, _, name in self._order])

    def add(self, name: str, priority: Priority, ordinal: int) -> None:
        """Puts a job in its place; `ordinal` is the order of submission."""
        bisect.insort(self._order, (_RANKS.get(priority, 1), ordinal, name))

    def discard(self, name: str) -> None:
        """Takes a job out, if it is there."""
        self._order = [entry for entry in self._order if entry[2] != name]

    def take(self, accept: Callable[[str], bool] = lambda name: True) -> str | None:
        """Takes out the next job, if `accept` agrees: nobody is overtaken by a job that fits better."""
        if not self._order or not accept(self._order[0][2]):
            return None
        return self._order.pop(0)[2]
