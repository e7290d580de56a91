"""A real daemon in a process of its own, and a plain grpcio client for it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from tests.unit.daemon.scripted_worker import gate
from underpaint.errors import ShuttingDown, UnderpaintError
from underpaint.types import MASK_FORMAT, PixelFormat
from underpaint.v1 import blob_service_pb2, image_pb2, job_service_pb2, status_pb2
from underpaint.v1.blob_service_pb2_grpc import BlobServiceStub
from underpaint.v1.job_service_pb2_grpc import JobServiceStub
from underpaint.v1.model_service_pb2_grpc import ModelServiceStub
from underpaint.v1.server_service_pb2_grpc import ServerServiceStub
from underpaint.wire.headers import PROTOCOL_HEADER, STATUS_HEADER, TOKEN_HEADER, bearer
from underpaint.wire.images import layout_for
from underpaint.wire.status import status_to_error

SCRIPTED_WORKER = Path(__file__).with_name("scripted_worker.py")
SDK = Path(__file__).parents[3] / "sdk"
# For what happens at once, if a machine is not busy with something else.
SOON_S = 60.0
STATES = job_service_pb2.JobState


def write_model(root: Path, name: str, *, inpainting: bool = False, **traits: object) -> Path:
    """A folder that the SD1.5 family recognises, with weights of a few bytes: nobody loads it here."""
    folder = root / name
    index = {"_class_name": "StableDiffusionPipeline"}
    configs: dict[str, Mapping[str, object]] = {
        "unet": {"in_channels": 9 if inpainting else 4, "sample_size": 8},
        "vae": {"latent_channels": 4, "block_out_channels": [8, 8, 8, 8]},
        "text_encoder": {},
        "tokenizer": {},
    }
    for component, config in configs.items():
        (folder / component).mkdir(parents=True)
        (folder / component / "config.json").write_text(json.dumps(config))
    for component in ("unet", "vae", "text_encoder"):
        (folder / component / "model.safetensors").write_bytes(b"\0" * 64)
    (folder / "scheduler").mkdir()
    (folder / "scheduler" / "scheduler_config.json").write_text('{"_class_name": "DDIMScheduler"}')
    (folder / "model_index.json").write_text(json.dumps(index))
    defaults = {"native_size_px": 64, "size_multiple_px": 8, "min_size_px": 32, "max_size_px": 512}
    (folder / "underpaint.json").write_text(json.dumps({**defaults, "default_steps": 4, **traits}))
    return folder


def write_control(root: Path, name: str, *roles: str, **config: object) -> Path:
    """A control net's folder that fits such a model, with weights of a few bytes."""
    folder = root / name
    folder.mkdir(parents=True)
    facts: dict[str, object] = {"_class_name": "ControlNetModel", "in_channels": 4, **config}
    (folder / "config.json").write_text(json.dumps(facts))
    (folder / "diffusion_pytorch_model.safetensors").write_bytes(b"\0" * 64)
    if roles:
        (folder / "underpaint.json").write_text(json.dumps({"title": name.upper(), "roles": roles}))
    return folder


@dataclass
class Home:
    """Folders and environment of one daemon after another."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Sockets have short paths: pytest's folders are too deep on some systems.
        self.runtime = Path(tempfile.mkdtemp(prefix="up-"))
        self.models = self.root / "models"
        self.models.mkdir(exist_ok=True)
        self.ledger = self.root / "ledger"
        for name in ("state", "pixels", "config"):
            (self.root / name).mkdir(mode=0o700, exist_ok=True)
        command = f"{sys.executable} {SCRIPTED_WORKER} --ledger {self.ledger}"
        self.environment = {
            "UNDERPAINT_RUNTIME_DIR": str(self.runtime),
            "UNDERPAINT_STATE_DIR": str(self.root / "state"),
            "UNDERPAINT_PIXEL_DIR": str(self.root / "pixels"),
            "UNDERPAINT_CONFIG_DIR": str(self.root / "config"),
            "UNDERPAINT_MODEL_ROOTS": str(self.models),
            "UNDERPAINT_INSTALLED_MODELS": "no",
            "UNDERPAINT_DEFAULT_MODEL": "tiny",
            # What a test leaves running shall not hold up its end.
            "UNDERPAINT_DRAIN_S": "0",
            "UNDERPAINT_WORKER_COMMAND": command,
            "PYTHONPATH": str(SDK),
            **self.environment,
        }

    @property
    def pixels(self) -> Path:
        return Path(self.environment["UNDERPAINT_PIXEL_DIR"])

    @property
    def discovery(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.runtime / "daemon.json").read_text())
        return found

    def let_go(self, job: str, after: int) -> None:
        """Lets a job go on that the scripted worker holds after so many steps, now or when it gets there."""
        gate(self.ledger, job, after).touch()

    def popen(self, **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "underpaint.daemon"],
            env={**os.environ, **self.environment, **more},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    @contextlib.contextmanager
    def daemon(self, **more: str) -> Iterator[subprocess.Popen[str]]:
        """A daemon that answers; ended with SIGTERM, or SIGKILL if that takes too long."""
        process = self.popen(**more)
        try:
            self.wait_until_found(process)
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                process.communicate(timeout=SOON_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                raise

    def wait_until_found(self, process: subprocess.Popen[str], timeout_s: float = SOON_S) -> None:
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            if process.poll() is not None:
                raise AssertionError(f"daemon ended with {process.returncode}: {process.communicate()[1]}")
            with contextlib.suppress(FileNotFoundError, ValueError):
                if self.discovery["pid"] == process.pid:
                    return
            time.sleep(0.01)
        raise AssertionError("daemon did not write its discovery file")


class Caller:
    """Calls a daemon as any gRPC client would; refused calls raise the error of the tree."""

    def __init__(self, home: Home, address: str, metadata: tuple[tuple[str, str], ...]) -> None:
        self.home = home
        self.channel = grpc.aio.insecure_channel(address.removeprefix("tcp:"))
        self.metadata = metadata
        self.jobs = JobServiceStub(self.channel)
        self.blobs = BlobServiceStub(self.channel)
        self.models = ModelServiceStub(self.channel)
        self.server = ServerServiceStub(self.channel)

    async def call(self, method: Any, request: Any, timeout_s: float = SOON_S) -> Any:
        try:
            return await method(request, metadata=self.metadata, timeout=timeout_s)
        except grpc.aio.AioRpcError as error:
            raise to_error(error) from error

    async def stream(self, method: Any, request: Any) -> AsyncIterator[Any]:
        call = method(request, metadata=self.metadata)
        try:
            async for response in call:
                yield response
        except grpc.aio.AioRpcError as error:
            raise to_error(error) from error
        finally:
            call.cancel()

    async def submit(self, prompt: str = "", **more: Any) -> job_service_pb2.Job:
        request = job_service_pb2.SubmitJobRequest(
            request_id=more.pop("request_id", uuid.uuid4().hex),
            origin=more.pop("origin", job_service_pb2.JobOrigin(client_id="tests")),
            priority=more.pop("priority", 0),
            cancel_when_unwatched=more.pop("cancel_when_unwatched", False),
        )
        if "spec" in more:
            request.spec.CopyFrom(more.pop("spec"))
        else:
            request.spec.text_to_image.SetInParent()
            request.spec.prompt = prompt
        assert not more, more
        return (await self.call(self.jobs.SubmitJob, request)).job

    async def get(self, name: str) -> job_service_pb2.Job:
        return (await self.call(self.jobs.GetJob, job_service_pb2.GetJobRequest(name=name))).job

    async def watch(self, name: str, after: int = 0, previews: bool = False) -> list[Any]:
        request = job_service_pb2.WatchJobRequest(name=name, after_sequence=after, previews=previews)
        return [response async for response in self.stream(self.jobs.WatchJob, request)]

    async def finish(self, name: str) -> job_service_pb2.Job:
        """The job in its final state."""
        return (await asyncio.wait_for(self.watch(name), SOON_S))[-1].job

    async def watched(self, name: str) -> asyncio.Task[job_service_pb2.Job]:
        """A task that waits for the job's final state; the daemon knows of its stream already."""
        hears = asyncio.Event()

        async def follow() -> job_service_pb2.Job:
            job = job_service_pb2.Job()
            request = job_service_pb2.WatchJobRequest(name=name)
            async for response in self.stream(self.jobs.WatchJob, request):
                job = response.job
                hears.set()
            return job

        task = asyncio.create_task(follow())
        await asyncio.wait_for(hears.wait(), SOON_S)
        return task

    async def until(self, name: str, state: int, step: int = 0) -> job_service_pb2.Job:
        """The job once it is in this state and its third stage has done so many steps."""
        return await asyncio.wait_for(self._until(name, state, step), SOON_S)

    async def _until(self, name: str, state: int, step: int) -> job_service_pb2.Job:
        request = job_service_pb2.WatchJobRequest(name=name)
        async for response in self.stream(self.jobs.WatchJob, request):
            job = response.job
            reached = not step or (job.progress.stage_index >= 2 and job.progress.step >= step)
            if job.state == state and reached:
                return job
            assert job.state <= state, f"{name} is {STATES.Name(job.state)}: {job.error.message}"
        raise AssertionError(f"{name} never was {STATES.Name(state)}")

    async def upload(self, layout: image_pb2.ImageLayout, pixels: bytes) -> str:
        request = blob_service_pb2.CreateBlobRequest(layout=layout)
        name = (await self.call(self.blobs.CreateBlob, request)).blob.name
        pieces = range(0, len(pixels), 1 << 20)

        async def chunks() -> AsyncIterator[blob_service_pb2.WriteBlobRequest]:
            for offset in pieces:
                data = pixels[offset : offset + (1 << 20)]
                yield blob_service_pb2.WriteBlobRequest(name=name, offset_bytes=offset, data=data)

        await self.call(self.blobs.WriteBlob, chunks())
        return str(name)

    async def download(self, name: str) -> bytes:
        request = blob_service_pb2.ReadBlobRequest(name=name)
        return b"".join([piece.data async for piece in self.stream(self.blobs.ReadBlob, request)])


def connect(home: Home, **headers: str) -> Caller:
    """A client with the right token and protocol unless `headers` say otherwise ("" leaves one out)."""
    found = home.discovery
    values = {TOKEN_HEADER: bearer(found["token"]), PROTOCOL_HEADER: "1", **headers}
    return Caller(home, found["address"], tuple((key, value) for key, value in values.items() if value))


async def eventually(true: Callable[[], object], what: str) -> None:
    """Waits for something that comes true by itself."""
    until = time.monotonic() + SOON_S
    while not true():
        assert time.monotonic() < until, what
        await asyncio.sleep(0.02)


async def draining(caller: Caller) -> None:
    """Waits until the daemon takes no more jobs."""
    until = time.monotonic() + SOON_S
    while time.monotonic() < until:
        try:
            await caller.submit("steps=1")
        except ShuttingDown:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the daemon takes jobs for ever")


def to_error(error: grpc.aio.AioRpcError) -> UnderpaintError:
    for key, value in error.trailing_metadata() or ():
        if key == STATUS_HEADER:
            found = status_to_error(status_pb2.Status.FromString(value))
            assert error.code().value[0] == status_pb2.Status.FromString(value).code
            return found
    raise AssertionError(f"no details came with {error.code()}: {error.details()}")


def image_layout(width: int = 64, height: int = 64, stride: int = 0) -> image_pb2.ImageLayout:
    return layout_for(PixelFormat(), width, height, stride)


def mask_layout(width: int = 64, height: int = 64, stride: int = 0) -> image_pb2.ImageLayout:
    return layout_for(MASK_FORMAT, width, height, stride)
