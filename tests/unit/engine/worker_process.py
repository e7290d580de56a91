"""A real worker process, driven over its real socket."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import numpy as np

from underpaint.errors import UnderpaintError
from underpaint.types import PixelFormat
from underpaint.v1 import image_pb2, job_service_pb2
from underpaint.wire.headers import TOKEN_HEADER, bearer
from underpaint.wire.images import format_of, layout_for
from underpaint.wire.status import status_to_error
from underpaint.worker_v1 import worker_service_pb2 as pb
from underpaint.worker_v1 import worker_service_pb2_grpc

ENGINE = "underpaint.engine.families.sd15:StableDiffusion15"


@dataclass
class Outcome:
    """What a job's stream said."""

    planned: list[job_service_pb2.PlannedStage] = field(default_factory=list)
    steps: list[tuple[int, int]] = field(default_factory=list)
    previews: list[job_service_pb2.Preview] = field(default_factory=list)
    finished: pb.Finished | None = None
    error: UnderpaintError | None = None
    cancelled: pb.Cancelled | None = None
    events: int = 0
    folder: Path = Path()

    def picture(self, index: int = 0) -> np.ndarray:
        """A result as it lies on disk."""
        assert self.finished is not None, self.error
        output = self.finished.outputs[index]
        format = format_of(output.layout)
        dtype = {"u8": np.uint8, "u16": np.uint16, "f16": np.float16, "f32": np.float32}
        data = (self.folder / output.file).read_bytes()
        shape = (output.layout.height_px, output.layout.width_px, format.channels.count)
        return np.frombuffer(data, dtype[format.data_type.value]).reshape(shape)


class WorkerProcess:
    """`python -m underpaint.engine` with a token, and a client for it."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.token = secrets.token_hex(32)
        # Not below pytest's folder: socket paths end at 104 bytes.
        self.socket = Path("/tmp") / f"up-{secrets.token_hex(6)}.sock"
        command = [sys.executable, "-m", "underpaint.engine", "--socket", str(self.socket), "--device", "cpu"]
        environment = {**os.environ, "UNDERPAINT_WORKER_TOKEN": self.token, "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen([*command, *arguments], stdin=subprocess.PIPE, env=environment)
        self.channel = grpc.insecure_channel(f"unix:{self.socket}")
        self.stub = worker_service_pb2_grpc.WorkerServiceStub(self.channel)
        self.metadata = ((TOKEN_HEADER, bearer(self.token)),)

    def __enter__(self) -> WorkerProcess:
        grpc.channel_ready_future(self.channel).result(timeout=120)
        return self

    def __exit__(self, *_: object) -> None:
        self.channel.close()
        if self.process.poll() is None:
            assert self.process.stdin is not None
            self.process.stdin.close()
            self.process.wait(timeout=120)

    def source(self, folder: Path) -> pb.ModelSource:
        """A model as the daemon's index describes it."""
        return pb.ModelSource(name=folder.name, family="sd15", engine=ENGINE, path=str(folder))

    def blob(self, name: str, pixels: np.ndarray, format: PixelFormat) -> pb.InputBlob:
        """Pixels in a file."""
        path = self.folder / f"{secrets.token_hex(8)}.raw"
        path.write_bytes(np.ascontiguousarray(pixels).tobytes())
        return pb.InputBlob(
            name=name, path=str(path), layout=layout_for(format, pixels.shape[1], pixels.shape[0])
        )

    def request(
        self,
        model: Path,
        spec: job_service_pb2.JobSpec,
        inputs: list[pb.InputBlob] | None = None,
        *,
        previews: bool = False,
        priority: int = job_service_pb2.PRIORITY_INTERACTIVE,
    ) -> pb.RunJobRequest:
        """A request with a folder of its own."""
        name = secrets.token_hex(8)
        output = self.folder / name
        output.mkdir()
        return pb.RunJobRequest(
            job=f"jobs/{name}",
            spec=spec,
            model=self.source(model),
            inputs=inputs or [],
            output_folder=str(output),
            previews=previews,
            priority=priority,
        )

    def stream(self, request: pb.RunJobRequest) -> Iterator[pb.RunJobResponse]:
        """The events of a job."""
        stream: Iterator[pb.RunJobResponse] = self.stub.RunJob(request, metadata=self.metadata, timeout=300)
        return stream

    def run(self, request: pb.RunJobRequest) -> Outcome:
        """Runs a job to its end."""
        return collect(self.stream(request), Path(request.output_folder))

    def cancel(self, request: pb.RunJobRequest) -> bool:
        """Cancels a job."""
        response = self.stub.CancelJob(pb.CancelJobRequest(job=request.job), metadata=self.metadata)
        return bool(response.found)


def collect(stream: Iterator[pb.RunJobResponse], folder: Path) -> Outcome:
    """Reads a stream to its end."""
    outcome = Outcome(folder=folder)
    for event in stream:
        outcome.events += 1
        match event.WhichOneof("event"):
            case "planned":
                outcome.planned = list(event.planned.stages)
            case "stepped":
                outcome.steps.append((event.stepped.stage_index, event.stepped.step))
            case "preview":
                outcome.previews.append(event.preview)
            case "finished":
                outcome.finished = event.finished
            case "failed":
                outcome.error = status_to_error(event.failed)
            case "cancelled":
                outcome.cancelled = event.cancelled
    return outcome


def text_spec(prompt: str = "old brick wall", **fields: object) -> job_service_pb2.JobSpec:
    """A small text-to-image job."""
    defaults: dict[str, object] = {"seed": 1, "steps": 4, "guidance_scale": 5.0, "scheduler": "ddim"}
    spec = job_service_pb2.JobSpec(prompt=prompt, **{**defaults, **fields})
    if spec.WhichOneof("operation") is None:
        spec.text_to_image.CopyFrom(job_service_pb2.TextToImage(width_px=64, height_px=64))
    return spec


def long_spec(**fields: object) -> job_service_pb2.JobSpec:
    """A job that is still running whenever a test looks: two calls of the denoiser a step, half a minute."""
    spec = text_spec(steps=900, scheduler="heun", **fields)
    spec.text_to_image.width_px = spec.text_to_image.height_px = 256
    return spec


def image_ref(blob: str, x: int = 0, y: int = 0) -> image_pb2.ImageRef:
    """A reference to an input."""
    return image_pb2.ImageRef(blob=blob, x_px=x, y_px=y)


def wait_until(condition: object, seconds: float = 60.0) -> None:
    """Polls a condition."""
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.01)
