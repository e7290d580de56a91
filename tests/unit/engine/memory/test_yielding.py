"""Memory that is given back after a while, or because somebody asks: through the device's loop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest

from tests.unit.engine.fake_family import FakeFamily
from tests.unit.engine.test_loop import Desk
from underpaint.engine.loop import DeviceLoop
from underpaint.engine.memory.broker import Broker
from underpaint.engine.memory.device import TorchDevice
from underpaint.engine.memory.simulated import SimulatedDevice
from underpaint.engine.registry import Families
from underpaint.engine.residency import Freed, Shelf
from underpaint.v1 import job_service_pb2
from underpaint.worker_v1 import worker_service_pb2 as pb

SD15 = "underpaint.engine.families.sd15:StableDiffusion15"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Machine(Desk):
    """The loop's desk on a device and a clock of the test's own."""

    def __init__(self, folder: Path, *, keep_alive: float = 60.0, simulated: bool = True) -> None:
        super().__init__(folder)
        self.clock = Clock()
        device = SimulatedDevice(1 << 30) if simulated else TorchDevice("cpu")
        self.broker = Broker(device, reserve=0, clock=self.clock)
        self.loop = DeviceLoop(Families(Shelf(broker=self.broker), "cpu", "float32"), keep_alive)
        self.loop.start()

    def paint(
        self, name: str, model: Path, *, steps: int = 4, after_step: Callable[[], object] = lambda: None
    ) -> None:
        """Starts a job; `after_step` is called on the device's thread, between two steps."""
        spec = job_service_pb2.JobSpec(prompt="moss", seed=3, steps=steps, scheduler="ddim")
        spec.text_to_image.width_px = spec.text_to_image.height_px = 64
        events = self.events[name] = []
        done = self.done[name] = threading.Event()
        folder = self.folder / name
        folder.mkdir()

        def sink(event: pb.RunJobResponse) -> None:
            events.append(event)
            if event.HasField("stepped"):
                after_step()
            if event.WhichOneof("event") in ("finished", "failed", "cancelled"):
                done.set()

        source = pb.ModelSource(name=model.name, engine=SD15, path=str(model))
        self.loop.submit(pb.RunJobRequest(job=name, spec=spec, model=source, output_folder=str(folder)), sink)

    def between_steps(self) -> None:
        """Returns when the loop has come to the end of what it was doing."""
        self.loop.call(lambda: None).result(60)


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
    machine = Machine(tmp_path, keep_alive=0.0, simulated=False)
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
