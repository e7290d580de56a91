"""Memory that is given back after a while, or because somebody asks: through the device's loop."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest

from tests.unit.engine.fake_family import FakeFamily
from tests.unit.engine.memory.machine import SD15, Machine
from underpaint.engine.memory.device import TorchDevice
from underpaint.engine.residency import Freed
from underpaint.worker_v1 import worker_service_pb2 as pb


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    FakeFamily.steps_taken.clear()
    one = Machine(tmp_path)
    yield one
    assert one.loop.stop(60)


def test_a_job_whose_memory_is_taken_away_at_every_step_makes_the_same_picture(
    machine: Machine, models: Path
) -> None:
    machine.paint("quiet", models / "plain", steps=8)
    quiet = machine.outcome("quiet").picture()
    machine.loop.yield_memory(ram=False, pause=0.0).result(60)
    given: list[Future[Freed]] = []
    machine.paint(
        "robbed",
        models / "plain",
        steps=8,
        after_step=lambda: given.append(machine.loop.yield_memory(ram=False, pause=0.0)),
    )
    robbed = machine.outcome("robbed")
    assert robbed.error is None
    assert np.array_equal(robbed.picture(), quiet)
    # Eight times the U-Net, once the VAE (the text is remembered): what a step brought in went after it.
    assert sum(one.result(60).device > 0 for one in given) == 9
    assert machine.broker.device.free() == 1 << 30


def test_with_a_pause_jobs_wait_and_go_on_afterwards(machine: Machine) -> None:
    assert machine.loop.yield_memory(ram=True, pause=100.0).result(60).device == 0
    machine.submit("waits", steps=2)
    while not machine.events["waits"]:
        machine.between_steps()
    for _ in range(5):
        machine.between_steps()
    assert FakeFamily.steps_taken == []
    machine.clock.now = 101.0
    machine.between_steps()
    assert machine.outcome("waits").finished is not None
    assert FakeFamily.steps_taken == [("waits",), ("waits",)]


def test_a_job_that_waits_for_memory_can_be_cancelled(machine: Machine) -> None:
    machine.loop.yield_memory(ram=False, pause=100.0).result(60)
    machine.submit("waits", steps=2)
    while not machine.events["waits"]:
        machine.between_steps()
    assert machine.loop.cancel("waits")
    assert machine.outcome("waits").cancelled is not None
    assert FakeFamily.steps_taken == []


def test_an_idle_model_leaves_after_the_keep_alive_and_not_before(machine: Machine, models: Path) -> None:
    machine.paint("one", models / "plain")
    assert machine.outcome("one").finished is not None
    machine.between_steps()
    held = machine.broker.bytes()
    machine.clock.now = 59.0
    machine.between_steps()
    assert machine.broker.bytes() == held > 0
    machine.clock.now = 60.0
    machine.loop.call(lambda: machine.loop._keeper.expire(set())).result(60)
    assert machine.broker.bytes() == 0
    machine.paint("again", models / "plain")
    assert machine.outcome("again").finished is not None


def test_with_a_keep_alive_of_nothing_a_model_goes_with_its_job(tmp_path: Path, models: Path) -> None:
    machine = Machine(tmp_path, keep_alive=0.0, device=TorchDevice("cpu"))
    machine.paint("one", models / "plain")
    assert machine.outcome("one").finished is not None
    machine.between_steps()
    assert machine.broker.bytes() == 0
    assert machine.loop.stop(60)


def test_loading_brings_a_model_to_the_device_as_far_as_there_is_room(tmp_path: Path, models: Path) -> None:
    machine = Machine(tmp_path)
    source = pb.ModelSource(name="plain", engine=SD15, path=str(models / "plain"))
    machine.loop.load(source).result(60)
    sizes = sorted(held.size for held in machine.broker.held)
    assert machine.broker.device.free() == (1 << 30) - sum(sizes)
    machine.loop.yield_memory(ram=True, pause=0.0).result(60)
    assert machine.broker.bytes() == 0
    machine.broker.device.others = (1 << 30) - sizes[-1]
    machine.loop.load(source).result(60)
    states = sorted(held.state.value for held in machine.broker.held)
    assert states.count("vram") in (1, 2) and "ram" in states
    assert machine.loop.stop(60)
