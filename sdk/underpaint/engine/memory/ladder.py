"""What is tried, one rung after the other, when a step runs out of memory. For the device's one thread.

Free and retry → put idle components out → the family's own savings (a VAE in tiles) → weights streamed from
RAM → smaller batches → an error that says what was needed, what there was, and what to change.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from contextlib import nullcontext
from typing import Protocol, runtime_checkable

import structlog
import torch

from underpaint.engine.family import Family, Task
from underpaint.engine.memory.broker import Broker
from underpaint.engine.memory.device import Measured
from underpaint.engine.memory.estimates import Need
from underpaint.engine.memory.states import State
from underpaint.errors import OutOfMemory

log = structlog.get_logger(__name__)

ONE_BY_ONE = "Jobs that would have shared steps took fewer at once: together they need too much memory."
_REMEMBERED = 256


@runtime_checkable
class Estimated(Protocol):
    """A family that says what its steps need. For any other that is found out by running into the limit."""

    def needs(self, tasks: Sequence[Task]) -> Need:
        """For the next step of tasks in one bucket. Device thread."""


@runtime_checkable
class Thrifty(Protocol):
    """A family that can do its next step with less memory."""

    def save_memory(self, tasks: Sequence[Task]) -> str | None:
        """Changes how tasks in one bucket go on; what to tell the user, None if nothing is left to save.

        Their plan may change with it. Device thread.
        """


class Ladder:
    """Runs steps, and climbs down when memory runs out."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._limits: dict[Hashable, int] = {}

    def limit(self, bucket: Hashable, wanted: int) -> int:
        """How many of a bucket's tasks fit into one step, as far as is known; `wanted` at most."""
        return min(wanted, self._limits.get(bucket, wanted))

    def step(self, family: Family, tasks: Sequence[Task], *, loading: bool) -> None:
        """One step, with as little degraded as will do; what was is noted with each task.

        Raises what the family raises; after the last rung `OutOfMemory`. A step that runs out of memory
        leaves its tasks as they were (see `Family.step`).
        """
        need = family.needs(tasks) if isinstance(family, Estimated) and not loading else Need()
        broker = self._broker
        with broker.step(broker.estimates.bytes(need), moving=not loading):
            rungs = self._rungs(family, tasks)
            while not self._succeeds(family, tasks, need, loading=loading):
                available = broker.room
                note = next(rungs, None)
                if note is None:
                    raise self._exhausted(family, tasks, need, available)
                broker.tell(note)
            notes = list(broker.notes)
        for task in tasks:
            task.notes += [note for note in notes if note not in task.notes]
        broker.estimates.save()

    def _succeeds(self, family: Family, tasks: Sequence[Task], need: Need, *, loading: bool) -> bool:
        """Whether there was memory enough. What a failed step held is free again when this returns."""
        broker = self._broker
        try:
            with broker.device.measured() if not loading else nullcontext(Measured()) as measured:
                family.step(tasks)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            log.warning("out of memory", step=need.what, room=broker.room, problem=str(error)[:300])
            return False
        broker.estimates.learn(need, measured.peak - broker.bytes(State.VRAM))
        return True

    def _rungs(self, family: Family, tasks: Sequence[Task]) -> Iterator[str]:
        """One thing after the other; what to tell of it, "" for nothing."""
        broker = self._broker
        broker.device.tidy()
        yield ""
        if broker.make_room(broker.device.total()):
            yield ""
        while isinstance(family, Thrifty) and (note := family.save_memory(tasks)) is not None:
            broker.device.tidy()
            yield note
        while broker.stream_largest():
            broker.device.tidy()
            yield ""

    def _exhausted(self, family: Family, tasks: Sequence[Task], need: Need, available: int) -> OutOfMemory:
        broker = self._broker
        if len(tasks) > 1:
            if len(self._limits) > _REMEMBERED:
                self._limits.clear()
            self._limits[family.bucket(tasks[0])] = len(tasks) // 2
            for task in tasks:
                task.notes += [ONE_BY_ONE] if ONE_BY_ONE not in task.notes else []
        # A step whose needs nobody knows takes more than there was.
        needed = max(broker.estimates.bytes(need), available + 1) + broker.in_use
        return too_little(needed, max(0, available) + broker.in_use, broker.device.name)


def too_little(needed: int, available: int, device: str) -> OutOfMemory:
    """The error after the last rung; figures in bytes."""
    return OutOfMemory(
        f"This job needs about {needed / 1e9:.1f} GB on {device}, and {available / 1e9:.1f} GB are there for "
        "it, with everything else put out. Choose a smaller picture or a smaller model, or close other "
        "programs that use the device. Room that is kept for them is set by UNDERPAINT_VRAM_RESERVE_BYTES.",
        metadata={"needed_bytes": str(needed), "available_bytes": str(available)},
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that some memory, the device's or the machine's, is full."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return any(words in str(error) for words in ("not enough memory", "can't allocate memory"))
