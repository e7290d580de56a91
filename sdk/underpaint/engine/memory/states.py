"""Where a component can be, and which ways lead from one place to another."""

from __future__ import annotations

import enum
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any


class State(enum.Enum):
    """Where a component's weights are."""

    DISK = "disk"
    """In no memory: loading brings it back."""
    RAM = "ram"
    """In the machine's memory."""
    PINNED = "pinned"
    """There too, in pages that the system keeps in place, so that a device fetches them faster."""
    VRAM = "vram"
    """In the device's memory. On a device without one of its own everything stays in `RAM`."""


WAYS: dict[State, frozenset[State]] = {
    State.DISK: frozenset({State.RAM}),
    State.RAM: frozenset({State.PINNED, State.VRAM, State.DISK}),
    State.PINNED: frozenset({State.VRAM, State.DISK}),
    State.VRAM: frozenset({State.RAM, State.PINNED, State.DISK}),
}
"""What can follow each state in one move."""


@dataclass(frozen=True)
class Slot:
    """Where a component is read from, and in which number format it shall be."""

    folder: str
    dtype: str
    part: str = ""
    """Of a file that holds several components: which."""
    beside: tuple[str, ...] = field(default=(), compare=False)
    """Further files and folders that it is made from: a tokenizer, a configuration."""
    written: int = 0
    """When it was last written, in nanoseconds, for a file that may be written anew under its name."""


@dataclass(eq=False)
class Held:
    """A component that is, or was, in memory."""

    component: Any
    size: int
    """Bytes of its weights."""
    name: str = ""
    """For logs and notes."""
    state: State = State.RAM
    users: set[str] = field(default_factory=set)
    """Models that asked for it."""
    mark: str = ""
    """What `underpaint.engine.memory.content.mark` says of its place; "" where it could not tell."""
    slots: list[Slot] = field(default_factory=list)
    """Places that hold these very weights."""
    used_at: float = field(default_factory=time.monotonic)
    streamed: bool = False
    """Whether its weights stay in RAM and visit the device block by block."""
    pinned: bool = False
    """Whether it has pinned pages, which it keeps while it is on the device."""
    uploads: int = 0
    """How often it was brought to the device."""

    def enter(self, state: State) -> None:
        """Goes to another state. Raises `ValueError` where no way leads there."""
        if state not in WAYS[self.state]:
            raise ValueError(f"{self.name} cannot go from {self.state.value} to {state.value}")
        self.state = state
        if state is State.DISK:
            self.component = None

    def is_idle(self, busy: Collection[str]) -> bool:
        """Whether none of the models that `busy` names uses it."""
        return self.users.isdisjoint(busy)
