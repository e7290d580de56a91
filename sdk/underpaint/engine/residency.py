"""Components in memory: loaded once, shared by every model that names the same folder, evicted when idle.

The seam for a broker: families ask a `Shelf` for components by folder and never hold on to one between
steps, so what backs the shelf may change.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from underpaint.engine.families.single_file import part_bytes
from underpaint.engine.provenance import weight_files
from underpaint.errors import ModelUnusable

log = structlog.get_logger(__name__)

BUDGET_SHARE = 0.5
"""Share of the machine's memory that components may take before idle ones go."""


def default_budget() -> int:
    """Bytes for components on the CPU: half the machine's memory."""
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return int(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * BUDGET_SHARE)
    return 8 << 30


@dataclass(frozen=True)
class Slot:
    """What identifies a component in memory."""

    folder: str
    dtype: str
    part: str = ""
    """Of a file that holds several components: which."""


@dataclass
class _Held:
    component: Any
    size: int
    users: set[str] = field(default_factory=set)


class Shelf:
    """Components by folder and number format. Used by the device's one thread."""

    def __init__(self, budget: int | None = None) -> None:
        self._budget = default_budget() if budget is None else budget
        self._held: OrderedDict[Slot, _Held] = OrderedDict()

    def has(self, slot: Slot) -> bool:
        """Whether a component is in memory."""
        return slot in self._held

    def get(self, slot: Slot, user: str, load: Callable[[], Any]) -> Any:
        """A component, loaded if it is not here; `user` is the model that it is for.

        Raises `ModelUnusable` where it cannot be read.
        """
        held = self._held.get(slot)
        if held is None:
            held = _Held(_loaded(slot, load), _size_on_disk(slot))
            self._held[slot] = held
            log.info("component loaded", folder=slot.folder, dtype=slot.dtype, bytes=held.size)
        held.users.add(user)
        self._held.move_to_end(slot)
        return held.component

    def release(self, user: str | None = None) -> None:
        """Gives back what only `user` uses; None: everything."""
        for slot in list(self._held):
            users = self._held[slot].users
            users.discard(user) if user is not None else users.clear()
            if not users:
                del self._held[slot]

    def trim(self, busy: Collection[str]) -> list[str]:
        """Evicts models, the longest unused first, until the budget holds; never one of `busy`.

        Returns the users that lost a component.
        """
        lost: set[str] = set()
        for slot, held in list(self._held.items()):
            if sum(other.size for other in self._held.values()) <= self._budget:
                break
            if not held.users & set(busy):
                del self._held[slot]
                lost |= held.users
                log.info("component evicted", folder=slot.folder, bytes=held.size)
        return sorted(lost)


def _loaded(slot: Slot, load: Callable[[], Any]) -> Any:
    try:
        return load()
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        folder = Path(slot.folder)
        component, model = (slot.part, folder.stem) if slot.part else (folder.name, folder.parent.name)
        raise ModelUnusable(
            f"The component {component!r} of the model {model!r} cannot be read: {error}. "
            "Download the model again, or remove it.",
            metadata={"model": model, "path": slot.folder},
        ) from error


def _size_on_disk(slot: Slot) -> int:
    folder = Path(slot.folder)
    if slot.part:
        return part_bytes(folder, slot.part)
    return sum(path.stat().st_size for path in weight_files(folder))
