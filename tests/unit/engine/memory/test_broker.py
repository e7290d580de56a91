"""Who is on the device, who is put out, and who leaves memory: on simulated devices."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from underpaint.engine.memory.broker import OFTEN, Broker
from underpaint.engine.memory.simulated import SimulatedDevice
from underpaint.engine.memory.states import WAYS, Held, State


@dataclass(eq=False)
class Weights:
    """Stands for a network of so many bytes."""

    nbytes: int


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Desk:
    """A broker on a simulated device, with components a, b, c … of the sizes given."""

    def __init__(self, total: int, *sizes: int, ram: int = 10_000, reserve: int = 0, others: int = 0) -> None:
        self.device = SimulatedDevice(total, others)
        self.clock = Clock()
        self.broker = Broker(self.device, host_budget=ram, reserve=reserve, clock=self.clock)
        self.held = [
            Held(Weights(size), size, name, users={name}, used_at=0.0)
            for name, size in zip("abcdef", sizes, strict=False)
        ]
        for one in self.held:
            self.broker.admit(one)

    def use(self, *indices: int, needs: int = 0) -> None:
        with self.broker.step(needs):
            for index in indices:
                self.broker.use(self.held[index])

    @property
    def states(self) -> str:
        return "".join(one.state.value[0] for one in self.held)


def test_what_a_step_uses_is_on_the_device_and_the_longest_unused_makes_room() -> None:
    desk = Desk(100, 40, 40, 40)
    desk.use(0)
    desk.use(1)
    assert desk.states == "vvr"
    desk.use(0)
    desk.use(2)
    assert desk.states == "vrv"
    assert desk.device.history == [("in", 40), ("in", 40), ("out", 40), ("in", 40)]


def test_nothing_that_a_step_uses_is_put_out_for_it_and_what_has_no_room_is_streamed() -> None:
    desk = Desk(100, 60, 60)
    with desk.broker.step():
        desk.broker.use(desk.held[0])
        desk.broker.use(desk.held[1])
        (note,) = desk.broker.notes
    assert desk.states == "vr" and desk.held[1].streamed
    assert "b does not fit" in note and "layer by layer" in note
    assert desk.device.history == [("in", 60), ("stream", 60)]


def test_room_for_computing_and_for_hosts_is_kept() -> None:
    desk = Desk(100, 40, 40, reserve=10)
    desk.use(0)
    desk.use(1)
    assert desk.states == "vv"
    desk.use(0)
    desk.use(1, needs=20)
    # Both are there already: room for computing is made when a step begins.
    assert desk.states == "rv"
    crowded = Desk(100, 40, 40, others=30)
    crowded.use(0)
    crowded.use(1)
    assert crowded.states == "rv"
    assert crowded.broker.capacity == 70


def test_where_ram_is_full_what_is_put_out_leaves_memory() -> None:
    desk = Desk(100, 60, 60, ram=50)
    desk.use(0)
    desk.use(1)
    assert desk.states == "dv"
    assert desk.held[0].component is None and desk.held[0] not in desk.broker.held


def test_what_comes_and_goes_often_is_pinned_and_stays_so() -> None:
    desk = Desk(100, 60, 60)
    for _ in range(OFTEN):
        desk.use(0)
        desk.use(1)
    desk.use(0)
    assert [one.state for one in desk.held] == [State.VRAM, State.PINNED]
    tight = Desk(100, 60, 60, ram=150)
    for _ in range(OFTEN + 1):
        tight.use(0)
        tight.use(1)
    assert not any(one.pinned for one in tight.held)


def test_a_component_goes_no_way_that_there_is_not() -> None:
    ways = {(one, other) for one in State for other in WAYS[one]}
    for one in State:
        for other in State:
            held = Held(object(), 1, "x", state=one)
            if (one, other) in ways:
                held.enter(other)
                assert held.state is other
                assert (held.component is None) == (other is State.DISK)
            else:
                with pytest.raises(ValueError, match=f"from {one.value} to {other.value}"):
                    held.enter(other)


def test_idle_models_leave_after_their_time_and_busy_ones_do_not() -> None:
    desk = Desk(100, 20, 20, 20)
    desk.use(0)
    desk.clock.now = 50.0
    desk.use(1)
    assert desk.broker.next_expiry(60.0, {"c"}) == 10.0
    desk.clock.now = 61.0
    assert [one.name for one in desk.broker.expire(60.0, {"c"})] == ["a"]
    assert desk.states == "dvr"
    assert desk.broker.next_expiry(60.0, {"b", "c"}) is None
    assert [one.name for one in desk.broker.expire(0.0, {"b"})] == ["c"]


def test_memory_that_is_asked_back_comes_with_a_figure_and_busy_models_stay_in_ram() -> None:
    desk = Desk(100, 20, 30, 40)
    desk.use(0, 1)
    assert desk.broker.give_back({"a"}, ram=False) == (50, 0)
    assert desk.states == "rrr"
    assert desk.broker.give_back({"a"}, ram=False) == (0, 0)
    desk.use(0)
    # What goes from the device to RAM counts against what leaves RAM.
    assert desk.broker.give_back({"a"}, ram=True) == (20, 50)
    assert desk.states == "pdd"
    desk.use(0)
    assert desk.states == "vdd"


def test_what_lies_idle_in_ram_is_dropped_when_its_budget_is_spent() -> None:
    desk = Desk(100, 40, 40, 40, ram=90)
    assert [one.name for one in desk.broker.trim({"a"})] == ["b"]
    assert desk.broker.trim({"a"}) == []
