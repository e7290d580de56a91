"""Waiting for a daemon that is being started: ours, or the one whose lock ended ours."""

from __future__ import annotations

import asyncio
from typing import Final

from underpaint.client.starter import Launched, find_launcher, launch
from underpaint.errors import DaemonUnreachable

_GRACE: Final = 2.0
"""Seconds for a daemon that somebody else started, after ours found the lock taken."""
_LAUNCHES: Final = 2
"""The second one is for a daemon that still held the lock on its way out."""


class Starting:
    """A daemon on its way up: ours, or the one whose lock ended ours."""

    def __init__(self) -> None:
        self.launched: Launched | None = None
        self._launches = 0
        self._ended_at: float | None = None

    async def go_on(self, spent: float) -> None:
        """Starts one, again if it ended and nobody else's answers; raises when that makes no sense any more.

        spent: seconds since the beginning.
        """
        if self.launched is not None and self._ended_at is None and self.launched.ended():
            self._ended_at = spent
        if self._ended_at is not None and spent - self._ended_at > _GRACE:
            if self._launches == _LAUNCHES:
                raise self.failed(spent)
            self.launched = None
        if self.launched is None:
            self._launches += 1
            self._ended_at = None
            self.launched = await asyncio.to_thread(launch, find_launcher())

    def failed(self, spent: float) -> DaemonUnreachable:
        """The error that quotes what the daemon said."""
        if self.launched is None:
            return DaemonUnreachable(
                f"The daemon did not start within {spent:.0f} s: run `underpaint doctor`."
            )
        words = self.launched.last_words()
        said = f" It said:\n{words}" if words else ""
        return DaemonUnreachable(
            f"A daemon was started (process {self.launched.pid}), but none answered within {spent:.0f} s. "
            f"Run `underpaint doctor`, or `underpaint serve` to see why; log: {self.launched.log}.{said}"
        )
