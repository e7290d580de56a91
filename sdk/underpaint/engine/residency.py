"""Components in memory: loaded once, shared by every model that holds the same weights, wherever they lie.

Families ask a `Shelf` for components by folder and never hold on to one between steps; the broker behind it
decides where each one is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
import torch

from underpaint.engine.families.single_file import part_bytes
from underpaint.engine.memory import content
from underpaint.engine.memory.broker import Broker
from underpaint.engine.memory.device import TorchDevice, bytes_of
from underpaint.engine.memory.states import Held, Slot, State
from underpaint.engine.provenance import weight_files
from underpaint.errors import ModelUnusable

__all__ = ["Freed", "Shelf", "Slot"]

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Freed:
    """Bytes that were given back."""

    device: int
    ram: int


class Shelf:
    """Components by place and number format. `has` from any thread; the rest is the device's one thread's.

    Without a `broker`: a CPU's, with `budget` bytes for what is idle.
    """

    def __init__(self, budget: int | None = None, broker: Broker | None = None) -> None:
        self.broker = Broker(TorchDevice("cpu"), host_budget=budget) if broker is None else broker
        self._held: dict[Slot, Held] = {}

    def has(self, slot: Slot) -> bool:
        """Whether a component is in memory, and known to be this one."""
        held = self._held.get(slot)
        return held is not None and held.state is not State.DISK

    def get(self, slot: Slot, user: str, load: Callable[[], Any]) -> Any:
        """A component, ready to compute; loaded, on the CPU, if it is in no memory. `user`: the model.

        Weights that another place holds already are not read again: both are one component from then on.
        Raises `ModelUnusable` where it cannot be read.
        """
        if not self.has(slot):
            mark = _mark(slot)
            self._held[slot] = self._twin(slot, mark) or self._from_disk(slot, mark, load)
        held = self._held[slot]
        if slot not in held.slots:
            held.slots.append(slot)
        held.users.add(user)
        self.broker.use(held)
        return held.component

    def spare(self, slot: Slot, user: str, load: Callable[[], Any], computing: int) -> Any | None:
        """A component that nothing is put out for, and that is the first to go when anything needs room.

        None where there is too little room for it and `computing` bytes. Between two steps only. Raises what
        `get` does.
        """
        held = self._held.get(slot)
        there = held is not None and held.state is State.VRAM
        if self.broker.room < computing + (0 if there else _size_on_disk(slot)):
            return None
        component = self.get(slot, user, load)
        self.broker.rest()
        self.broker.first_to_go(self._held[slot])
        return component

    def touch(self, user: str) -> None:
        """A job of this model has ended: from now on its components count as unused."""
        for held in self._present():
            if user in held.users:
                held.used_at = self.broker.clock()

    def warm(self, user: str) -> None:
        """Brings a model's components to the device as far as there is room without putting others out."""
        for held in self._present():
            if user in held.users and held.size <= self.broker.room:
                self.broker.use(held)
        self.broker.rest()

    def release(self, user: str | None = None) -> None:
        """Gives back what only `user` uses; None: everything."""
        for held in self._present():
            held.users.discard(user) if user is not None else held.users.clear()
            if not held.users:
                self.broker.drop(held)

    def trim(self, busy: Collection[str]) -> list[str]:
        """Drops components, the longest unused first, until the budget holds; never one of `busy`.

        Returns the users that lost a component.
        """
        return sorted({user for held in self.broker.trim(busy) for user in held.users})

    def yield_memory(self, busy: Collection[str], *, ram: bool) -> Freed:
        """Gives the device's memory back; with `ram` also what models that are not `busy` hold in RAM."""
        return Freed(*self.broker.give_back(busy, ram=ram))

    def _present(self) -> list[Held]:
        return list(self.broker.held)

    def _twin(self, slot: Slot, mark: str) -> Held | None:
        """What holds the same weights as another place, if something does."""
        for held in self._present():
            if mark and held.mark == mark and content.content(slot) == content.content(held.slots[0]):
                log.info("component shared", folder=slot.folder, part=slot.part, component=held.name)
                return held
        return None

    def _from_disk(self, slot: Slot, mark: str, load: Callable[[], Any]) -> Held:
        component = _loaded(slot, load)
        size = bytes_of(component) or _size_on_disk(slot)
        held = Held(component, size, _name(slot), mark=mark, used_at=self.broker.clock())
        self.broker.admit(held)
        log.info("component loaded", folder=slot.folder, dtype=slot.dtype, bytes=held.size)
        return held


def _mark(slot: Slot) -> str:
    try:
        return content.mark(slot)
    except (OSError, ValueError, ModelUnusable) as error:
        # Loading it says what is wrong, and in better words.
        log.debug("component cannot be compared", folder=slot.folder, problem=str(error))
        return ""


def _loaded(slot: Slot, load: Callable[[], Any]) -> Any:
    try:
        return load()
    except torch.OutOfMemoryError:
        raise
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        folder = Path(slot.folder)
        component, model = (slot.part, folder.stem) if slot.part else (folder.name, folder.parent.name)
        raise ModelUnusable(
            f"The component {component!r} of the model {model!r} cannot be read: {error}. "
            "Download the model again, or remove it.",
            metadata={"model": model, "path": slot.folder},
        ) from error


def _name(slot: Slot) -> str:
    folder = Path(slot.folder)
    return f"{folder.stem}/{slot.part}" if slot.part else f"{folder.parent.name}/{folder.name}"


def _size_on_disk(slot: Slot) -> int:
    folder = Path(slot.folder)
    if slot.part:
        return part_bytes(folder, slot.part)
    return sum(path.stat().st_size for path in weight_files(folder))
