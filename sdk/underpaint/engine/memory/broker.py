"""Who is where: brings components to the device for a step, and puts idle ones out when there is too little.

Budget of a step = what the device has free − a reserve for the host's own use − what the step computes with.
Used by the device's one thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

import structlog

from underpaint.engine.memory.device import Device, machine_memory
from underpaint.engine.memory.estimates import Estimates
from underpaint.engine.memory.states import Held, State

log = structlog.get_logger(__name__)

HOST_SHARE = 0.5
"""Share of the machine's memory that components may take before idle ones go."""
PINNED_SHARE = 0.25
"""Share of that which may be pinned: the system cannot use it for anything else."""
RESERVE_SHARE = 1 / 16
MIN_RESERVE = 512 << 20
"""Bytes of a device that are left for hosts, where nothing else is set: a sixteenth, but no less."""
OFTEN = 2
"""From so many ways to the device on, a component's pages are pinned."""


class Broker:
    """Places components. `host_budget` and `reserve` are bytes, None for the defaults above."""

    def __init__(
        self,
        device: Device,
        *,
        host_budget: int | None = None,
        reserve: int | None = None,
        estimates: Estimates | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.device = device
        self.clock = clock
        self.host_budget = int(machine_memory() * HOST_SHARE) if host_budget is None else host_budget
        self.estimates = Estimates() if estimates is None else estimates
        self.notes: list[str] = []
        """What the present step had to do without, in words for a user."""
        self._reserve = reserve
        self.held: list[Held] = []
        """Components in memory, the longest unused first."""
        self._working: list[Held] = []
        self._needs = 0
        self._moving = True

    @property
    def reserve(self) -> int:
        """Bytes of the device that hosts may take while we compute."""
        if self._reserve is not None:
            return self._reserve
        return max(MIN_RESERVE, int(self.device.total() * RESERVE_SHARE)) if self.device.moves else 0

    @property
    def room(self) -> int:
        """Bytes of the device that components and computing may take now, those already there aside."""
        return self.device.free() - self.reserve

    @property
    def capacity(self) -> int:
        """Bytes that they may take at most, were everything of ours out."""
        return self.room + self.bytes(State.VRAM)

    def bytes(self, *states: State) -> int:
        """Bytes of components in these states; in any memory, if none is named."""
        return sum(held.size for held in self.held if not states or held.state in states)

    @contextmanager
    def step(self, needs: int = 0, *, moving: bool = True) -> Iterator[None]:
        """While it lasts, what is used stays on the device; `needs`: bytes that the step computes with.

        Without `moving` components are only brought into RAM.
        """
        self._needs, self._moving = needs, moving
        self.notes = []
        try:
            yield
        finally:
            self.rest()

    def rest(self) -> None:
        """Nothing computes: everything on the device may be put out."""
        self._needs, self._moving = 0, True
        self._working.clear()

    @property
    def in_use(self) -> int:
        """Bytes of the device that the present step's components take."""
        return sum(held.size for held in self._working if held.state is State.VRAM)

    def tell(self, note: str) -> None:
        """Notes what the present step had to do without; "" and what was told already add nothing."""
        if note and note not in self.notes:
            self.notes.append(note)

    def admit(self, held: Held) -> None:
        """Takes a component that was just loaded into RAM."""
        self.held.append(held)

    def use(self, held: Held) -> None:
        """Brings a component to the device for this step."""
        held.used_at = self.clock()
        self.held.remove(held)
        self.held.append(held)
        if held not in self._working:
            self._working.append(held)
        if not self.device.moves or not self._moving:
            return
        if held.state is State.VRAM or held.streamed:
            self.make_room(self._needs)
            return
        self.make_room(held.size + self._needs)
        if self.room < held.size + self._needs and self._stream(held):
            return
        held.uploads += 1
        self._pin_if_worth_it(held)
        self.device.move_in(held.component)
        held.enter(State.VRAM)

    def first_to_go(self, held: Held) -> None:
        """From now until its next use, counts as the longest unused."""
        self.held.remove(held)
        self.held.insert(0, held)

    def make_room(self, needed: int) -> list[Held]:
        """Puts idle components out of the device until `needed` bytes are free, or none is left.

        Those that went, for the caller to tell. What the present step uses stays.
        """
        gone: list[Held] = []
        for held in list(self.held):
            if self.room >= needed:
                break
            if held.state is State.VRAM and held not in self._working:
                self.put_out(held)
                gone.append(held)
                self.tell(f"For lack of memory on the graphics card {held.name} left it between its uses.")
        return gone

    def stream_largest(self) -> bool:
        """Of what the present step uses: streams the largest that is not yet; False if there is none."""
        whole = [held for held in self._working if held.state is State.VRAM]
        for held in sorted(whole, key=lambda held: held.size, reverse=True):
            self.device.move_out(held.component)
            held.enter(State.PINNED if held.pinned else State.RAM)
            if self._stream(held):
                return True
        return False

    def put_out(self, held: Held) -> None:
        """From the device to RAM, or out of memory where RAM is full or is the device's own."""
        room = self.host_budget - self.bytes(State.RAM, State.PINNED)
        if self.device.shares or held.size > room:
            self.drop(held)
            return
        self.device.move_out(held.component)
        held.enter(State.PINNED if held.pinned else State.RAM)
        log.info("component put out of the device", component=held.name, bytes=held.size)

    def drop(self, held: Held) -> None:
        """Out of memory altogether."""
        if held.component is not None:
            self.device.forget(held.component)
        held.enter(State.DISK)
        self.held.remove(held)
        log.info("component dropped", component=held.name, bytes=held.size)

    def trim(self, busy: Collection[str]) -> list[Held]:
        """Drops what lies in RAM, the longest unused first, until the budget holds; nothing that is busy."""
        gone = []
        for held in list(self.held):
            if self.bytes(State.RAM, State.PINNED) <= self.host_budget:
                break
            if held.state is not State.VRAM and held.is_idle(busy):
                self.drop(held)
                gone.append(held)
        return gone

    def expire(self, keep_alive: float, busy: Collection[str]) -> list[Held]:
        """Drops what nobody used for `keep_alive` seconds, and nobody who is busy uses."""
        now = self.clock()
        gone = [held for held in self.held if held.is_idle(busy) and now - held.used_at >= keep_alive]
        for held in gone:
            self.drop(held)
        return gone

    def next_expiry(self, keep_alive: float, busy: Collection[str]) -> float | None:
        """Seconds until something expires; None if nothing will."""
        idle = [held.used_at for held in self.held if held.is_idle(busy)]
        return max(0.0, min(idle) + keep_alive - self.clock()) if idle else None

    def give_back(self, busy: Collection[str], *, ram: bool) -> tuple[int, int]:
        """Gives the device's memory back, and with `ram` what lies in RAM and nobody busy needs.

        Bytes of the device and of RAM that came free. Not during a step.
        """
        before = self.bytes(State.VRAM), self.bytes(State.RAM, State.PINNED)
        for held in list(self.held):
            if ram and held.is_idle(busy):
                self.drop(held)
            elif held.state is State.VRAM:
                self.put_out(held)
        self.device.tidy()
        after = self.bytes(State.VRAM), self.bytes(State.RAM, State.PINNED)
        return before[0] - after[0], max(0, before[1] - after[1])

    def _stream(self, held: Held) -> bool:
        if self.device.shares or not self.device.stream(held.component):
            return False
        held.streamed = True
        self.tell(
            f"{held.name} does not fit onto the graphics card as a whole ({held.size / 1e9:.1f} GB): its "
            "weights came from RAM layer by layer, which is slower."
        )
        return True

    def _pin_if_worth_it(self, held: Held) -> None:
        pinned = sum(other.size for other in self.held if other.pinned)
        if held.uploads < OFTEN or held.pinned or self.device.shares:
            return
        if pinned + held.size <= self.host_budget * PINNED_SHARE and self.device.pin(held.component):
            held.pinned = True
            held.enter(State.PINNED)
