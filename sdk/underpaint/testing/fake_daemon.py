"""A daemon without a model: the same wire, sockets, files and errors as the real one, scripted by a test.

    with FakeDaemon(tmp_path) as daemon:            # or `async with`
        monkeypatch.setenv("UNDERPAINT_RUNTIME_DIR", str(daemon.folder))
        daemon.script = Script(error=OutOfMemory("..."))
        with underpaint.connect(start=False) as client:
            ...

Jobs run through every stage and give a picture of one colour, which seed and prompt decide.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import threading
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import grpc

from underpaint.errors import UnderpaintError
from underpaint.testing.fake_blobs import FakeBlobs
from underpaint.testing.fake_guard import FakeGuard
from underpaint.testing.fake_jobs import FakeJobs
from underpaint.testing.fake_script import Script
from underpaint.testing.fake_services import FakeModels, FakeServer
from underpaint.types import (
    ControlModelInfo,
    ControlRole,
    LoraInfo,
    ModelInfo,
    Parameter,
    PluginInfo,
    PostprocessorInfo,
    PreprocessorInfo,
    PresetInfo,
    SchedulerInfo,
    ServerInfo,
)
from underpaint.v1 import (
    blob_service_pb2_grpc,
    job_service_pb2,
    job_service_pb2_grpc,
    model_service_pb2_grpc,
    server_service_pb2_grpc,
)
from underpaint.wire.discovery import MAX_SOCKET_PATH, Discovery, write_discovery
from underpaint.wire.headers import (
    PROTOCOL_MINIMUM,
    PROTOCOL_VERSION,
)
from underpaint.wire.models import info_to_model
from underpaint.wire.paths import private_dir

__all__ = ["FakeDaemon", "Script"]

Result = TypeVar("Result")

FAKE_MODEL: Final = ModelInfo(
    name="fake",
    title="One colour",
    family="fake",
    operations=("txt2img", "img2img", "inpaint"),
    native_size=64,
    default_steps=4,
    default_guidance_scale=5.0,
    default_scheduler="euler",
    schedulers=("euler", "ddim"),
    scheduler_info=(
        SchedulerInfo("ddim", "DDIM", (Parameter(name="eta", default=0.0, minimum=0.0, maximum=1.0),)),
    ),
    presets=(PresetInfo(name="quick", title="One step", scheduler="ddim", steps=1),),
    loaded=True,
    controls=(ControlRole("depth", ("fake-control",)), ControlRole("line-art", ("fake-control",))),
    regions=True,
)
FAKE_CONTROL: Final = ControlModelInfo(
    name="fake-control",
    title="Looks at nothing",
    family="fake",
    roles=("line-art", "depth"),
    models=("fake",),
)
FAKE_LORA: Final = LoraInfo(name="fake-lora", title="Changes nothing", family="fake", models=("fake",))


class FakeDaemon:
    """Serves on a Unix socket in `folder` (TCP where the path is too long, or with `tcp=True`).

    `folder` becomes the run-time folder: the discovery file lies there, the pixels below it. All attributes
    may be set from any thread before or between calls; `restart` and `stop` are for the synchronous face.
    """

    def __init__(
        self,
        folder: Path,
        *,
        models: Sequence[ModelInfo] = (FAKE_MODEL,),
        mapped: bool = True,
        tcp: bool = False,
        quota: int = 1 << 32,
        lease_seconds: float = 60.0,
    ) -> None:
        self.folder = private_dir(folder)
        self.pixels = private_dir(folder / "pixels")
        self.token = ""
        self.address = ""
        self.protocols = (PROTOCOL_MINIMUM, PROTOCOL_VERSION)
        self.plugins: list[PluginInfo] = []
        self.preprocessors: list[PreprocessorInfo] = []
        self.postprocessors: list[PostprocessorInfo] = []
        self.control_models: list[ControlModelInfo] = [FAKE_CONTROL]
        self.loras: list[LoraInfo] = [FAKE_LORA]
        self.calls: list[str] = []
        """Names of the calls that arrived, in order."""
        self.failures: dict[str, list[UnderpaintError]] = {}
        """Errors by the name of a call; each is raised once, the first one first."""
        self.delays: dict[str, float] = {}
        """Seconds by the name of a call."""
        self._tcp = tcp
        self._models = [info_to_model(info) for info in models]
        self.blobs = FakeBlobs(self.pixels, mapped, quota, lease_seconds)
        self._server: grpc.aio.Server | None = None
        self._runner: asyncio.Task[None] | None = None
        self._restarts: set[asyncio.Task[None]] = set()
        self._thread: _Thread | None = None
        self.jobs = FakeJobs(self.blobs, self._models, self._restart_soon)

    @property
    def script(self) -> Callable[[job_service_pb2.JobSpec], Script]:
        """What happens to a job; set it to a `Script`, or to a function that chooses one."""
        return self.jobs.script

    @script.setter
    def script(self, script: Script | Callable[[job_service_pb2.JobSpec], Script]) -> None:
        self.jobs.script = (lambda spec: script) if isinstance(script, Script) else script

    async def __aenter__(self) -> FakeDaemon:
        await self.start_async()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.stop_async()
        (self.folder / "daemon.json").unlink(missing_ok=True)

    def __enter__(self) -> FakeDaemon:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def start(self) -> None:
        """Serves, on a thread of its own; nothing happens if it does already."""
        if self._server is not None:
            return
        if self._thread is None:
            self._thread = _Thread()
        self._thread.run(self.start_async())

    def stop(self) -> None:
        """Goes down as a killed daemon does: connections break, the discovery file stays."""
        if self._thread is not None:
            self._thread.run(self.stop_async())

    def restart(self) -> None:
        """Goes down and comes back with a new token; jobs are kept, uploaded pixels are not."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Ends for good."""
        self.stop()
        (self.folder / "daemon.json").unlink(missing_ok=True)
        if self._thread is not None:
            self._thread.close()
            self._thread = None

    def go_on(self) -> None:
        """Lets jobs continue that a script stopped. Any thread."""
        if self._thread is not None:
            self._thread.loop.call_soon_threadsafe(self.jobs.go_on.set)
        else:
            self.jobs.go_on.set()

    def ask(self, question: Callable[[], Result]) -> Result:
        """What `question` gives on the thread that serves: the only one that may look into jobs and blobs."""
        if self._thread is None:
            raise RuntimeError("the fake daemon was not started, or is closed: call start() first")

        async def answer() -> Result:
            return question()

        return self._thread.run(answer())

    def forget(self) -> None:
        """Ends and forgets every job, gives up every blob, and goes back to the default script."""

        async def forgotten() -> None:
            self.script = Script()
            self.calls.clear()
            self.failures.clear()
            self.delays.clear()
            await self.jobs.forget()
            self.blobs.forget()

        if self._thread is not None:
            self._thread.run(forgotten())

    async def start_async(self) -> None:
        """Serves on the running loop and writes the discovery file."""
        self.token = secrets.token_hex(32)
        self._server = grpc.aio.server(interceptors=[FakeGuard(self)], options=[("grpc.so_reuseport", 0)])
        itself = FakeServer(self.info, self.plugins, self.preprocessors, self.postprocessors)
        services: tuple[tuple[Any, Any], ...] = (
            (job_service_pb2_grpc.add_JobServiceServicer_to_server, self.jobs),
            (blob_service_pb2_grpc.add_BlobServiceServicer_to_server, self.blobs),
            (
                model_service_pb2_grpc.add_ModelServiceServicer_to_server,
                FakeModels(self._models, self.control_models, self.loras),
            ),
            (server_service_pb2_grpc.add_ServerServiceServicer_to_server, itself),
        )
        for add, service in services:
            add(service, self._server)
        socket = self.folder / "daemon.sock"
        if self._tcp or len(os.fsencode(socket)) > MAX_SOCKET_PATH:
            self.address = f"tcp:127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        else:
            socket.unlink(missing_ok=True)
            self._server.add_insecure_port(f"unix:{socket}")
            self.address = f"unix:{socket}"
        await self._server.start()
        self._runner = asyncio.get_running_loop().create_task(self.jobs.run())
        found = Discovery(self.address, self.token, os.getpid(), *self.protocols, "0.0.0.fake")
        write_discovery(found, self.folder / "daemon.json")

    async def stop_async(self) -> None:
        """As `stop`, on the loop that serves."""
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.wait([self._runner])
        if self._server is not None:
            await self._server.stop(None)
        self._server = self._runner = None
        self.blobs.clear()

    def _restart_soon(self) -> None:
        async def again() -> None:
            await self.stop_async()
            await self.start_async()

        task = asyncio.get_running_loop().create_task(again())
        self._restarts.add(task)
        task.add_done_callback(self._restarts.discard)

    def info(self) -> ServerInfo:
        """What it says of itself."""
        active = sum(not record.final for record in self.jobs.records.values())
        return ServerInfo("0.0.0.fake", *self.protocols, pid=os.getpid(), active_jobs=active)


class _Thread:
    """An event loop on a thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="fake-daemon", daemon=True)
        self._thread.start()

    def run(self, action: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(action, self.loop).result()

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()
