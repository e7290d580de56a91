"""How long what is idle stays in memory, and memory that somebody asks back. For the device's one thread."""

from __future__ import annotations

import math
from collections.abc import Collection

from underpaint.engine.family import Family
from underpaint.engine.residency import Freed, Shelf

KEEP_ALIVE_S = 600.0
"""Seconds that idle models stay in memory, where nothing else is set."""


class Keeper:
    """Keeps a shelf's idle models for `keep_alive` seconds; 0: not at all."""

    def __init__(self, shelf: Shelf, keep_alive: float = KEEP_ALIVE_S) -> None:
        self._shelf = shelf
        self._broker = shelf.broker
        self._keep_alive = keep_alive
        self._paused_until = -math.inf

    @property
    def paused(self) -> bool:
        """Whether somebody has asked for the memory and jobs are to wait."""
        return self._broker.clock() < self._paused_until

    def load(self, family: Family, model: str) -> None:
        """Brings a model into RAM, and of it to the device what has room there beside everything else."""
        with self._broker.step(moving=False):
            family.load()
        self._shelf.warm(model)

    def ended(self, model: str, busy: Collection[str]) -> None:
        """A job of `model` has ended; `busy`: the models of those that go on."""
        self._shelf.touch(model)
        self.expire(busy)

    def expire(self, busy: Collection[str]) -> None:
        """Drops what was idle for too long."""
        if self._broker.expire(self._keep_alive, busy):
            self._broker.device.tidy()

    def wait_s(self, busy: Collection[str]) -> float | None:
        """Seconds until `expire` or the end of a pause has something to do; None for never."""
        times = [self._broker.next_expiry(self._keep_alive, busy)]
        if self.paused:
            times.append(self._paused_until - self._broker.clock())
        return min((time for time in times if time is not None), default=None)

    def yield_memory(self, busy: Collection[str], *, ram: bool, pause: float) -> Freed:
        """Gives memory back between two steps; jobs then wait for `pause` seconds before their next one.

        Then they go on with what they have computed so far, and fetch again what they need.
        """
        self._paused_until = self._broker.clock() + pause
        return self._shelf.yield_memory(busy, ram=ram)
