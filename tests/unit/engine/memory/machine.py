"""The device's loop on a device, and with a clock, of the test's own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from tests.unit.engine.stock import RGB, photo
from tests.unit.engine.test_loop import Desk
from tests.unit.engine.worker_process import image_ref
from underpaint.engine.loop import DeviceLoop
from underpaint.engine.memory.broker import Broker
from underpaint.engine.memory.device import Device, Measured
from underpaint.engine.memory.estimates import Estimates
from underpaint.engine.memory.simulated import SimulatedDevice
from underpaint.engine.registry import Families
from underpaint.engine.residency import Shelf
from underpaint.v1 import job_service_pb2
from underpaint.wire.images import layout_for
from underpaint.worker_v1 import worker_service_pb2 as pb

SD15 = "underpaint.engine.families.sd15:StableDiffusion15"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Machine(Desk):
    """The loop's desk on a device and a clock of the test's own."""

    def __init__(
        self,
        folder: Path,
        *,
        keep_alive: float = 60.0,
        device: Device | None = None,
        estimates: Estimates | None = None,
    ) -> None:
        super().__init__(folder)
        self.clock = Clock()
        self.broker = Broker(
            device or SimulatedDevice(1 << 30), reserve=0, estimates=estimates, clock=self.clock
        )
        self.peaks: list[int] = []
        """Of each step that was measured: most bytes in use."""
        self.failures = 0
        """Steps that ran out of memory."""
        measured = self.broker.device.measured

        @contextmanager
        def noted() -> Iterator[Measured]:
            try:
                with measured() as one:
                    yield one
            except torch.OutOfMemoryError:
                self.failures += 1
                raise
            self.peaks.append(one.peak)

        self.broker.device.measured = noted  # type: ignore[method-assign]
        self.loop = DeviceLoop(Families(Shelf(broker=self.broker), "cpu", "float32"), keep_alive)
        self.loop.start()

    def paint(
        self,
        name: str,
        model: Path,
        *,
        steps: int = 4,
        size: int = 64,
        prompt: str = "moss",
        negative: str = "",
        source: bool = False,
        after_step: Callable[[], object] = lambda: None,
    ) -> None:
        """Starts a job, from a picture with `source`; the device's thread calls `after_step` after each."""
        spec = job_service_pb2.JobSpec(prompt=prompt, negative_prompt=negative, seed=3, steps=steps)
        spec.scheduler = "ddim"
        inputs = []
        if source:
            spec.image_to_image.image.CopyFrom(image_ref("blobs/i"))
            spec.image_to_image.strength = 0.9
            path = self.folder / "input.raw"
            path.write_bytes(photo(size, size).tobytes())
            inputs = [pb.InputBlob(name="blobs/i", path=str(path), layout=layout_for(RGB, size, size))]
        else:
            spec.text_to_image.width_px = spec.text_to_image.height_px = size
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

        request = pb.RunJobRequest(job=name, spec=spec, inputs=inputs, output_folder=str(folder))
        request.model.CopyFrom(pb.ModelSource(name=model.name, engine=SD15, path=str(model)))
        self.loop.submit(request, sink)

    def between_steps(self) -> None:
        """Returns when the loop has come to the end of what it was doing."""
        self.loop.call(lambda: None).result(60)
