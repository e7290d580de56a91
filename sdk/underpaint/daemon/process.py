"""One worker process: its private socket, its log, its death with ours."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import structlog

from underpaint.errors import WorkerLost
from underpaint.wire.discovery import MAX_SOCKET_PATH
from underpaint.wire.headers import TOKEN_HEADER, bearer
from underpaint.wire.paths import private_dir
from underpaint.worker_v1.worker_service_pb2 import (
    DescribeWorkerRequest,
    DescribeWorkerResponse,
    StopWorkerRequest,
)
from underpaint.worker_v1.worker_service_pb2_grpc import WorkerServiceStub

log = structlog.get_logger(__name__)

ENGINE_COMMAND = (sys.executable, "-m", "underpaint.engine")
TOKEN_VARIABLE = "UNDERPAINT_WORKER_TOKEN"
AUTO = "auto"
SOCKET_FOLDER = "worker-"
MAX_LOG_BYTES = 5_000_000
STOP_S = 2.0
_CHANNEL_OPTIONS = (
    # A worker takes seconds to import torch; then every 100 ms counts.
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 100),
    ("grpc.enable_http_proxy", 0),
)


@dataclass(frozen=True, slots=True)
class WorkerCommand:
    """How a worker is started."""

    device: str
    command: Sequence[str]
    runtime_dir: Path
    log_path: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables beside our own."""


class WorkerProcess:
    """A started worker. It ends when the pipe to its standard input closes: when we end, however we end."""

    def __init__(
        self, process: asyncio.subprocess.Process, address: str, token: str, folder: Path, log_path: Path
    ) -> None:
        self._process = process
        self._folder = folder
        self._log_path = log_path
        self._channel = grpc.aio.insecure_channel(address, options=_CHANNEL_OPTIONS)
        self._answers = False
        self.stub = WorkerServiceStub(self._channel)  # type: ignore[no-untyped-call]
        self.metadata = ((TOKEN_HEADER, bearer(token)),)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @classmethod
    async def start(cls, how: WorkerCommand) -> WorkerProcess:
        """Starts the process; it is ready once `ready` says so. Raises WorkerLost if it cannot be started."""
        folder = _socket_folder(how.runtime_dir)
        unix = os.name == "posix"
        place = folder / ("worker.sock" if unix else "port")
        token = secrets.token_hex(32)
        arguments = [*how.command, "--socket" if unix else "--port-file", str(place)]
        if how.device != AUTO:
            arguments += ["--device", how.device]
        try:
            process = await asyncio.create_subprocess_exec(
                *arguments,
                stdin=subprocess.PIPE,
                stdout=_open_log(how.log_path),
                stderr=subprocess.STDOUT,
                env={**os.environ, **how.environment, TOKEN_VARIABLE: token},
                # Ctrl-C in a terminal is for the daemon, which drains first.
                start_new_session=True,
            )
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise WorkerLost(
                f"A worker cannot be started with {arguments[0]}: {error.strerror}. Check the setting "
                "worker_command or the Python that the daemon runs in."
            ) from error
        log.info("worker started", device=how.device, pid=process.pid)
        address = f"unix:{place}" if unix else await _tcp_address(place, process)
        return cls(process, address, token, folder, how.log_path)

    async def ready(self, timeout_s: float) -> DescribeWorkerResponse:
        """Waits until it answers; raises WorkerLost if it ends before or takes longer."""
        ended = asyncio.ensure_future(self._process.wait())
        call = asyncio.ensure_future(self._describe(timeout_s, wait=True))
        try:
            await asyncio.wait((ended, call), return_when=asyncio.FIRST_COMPLETED)
            if call.done():
                described = call.result()
                self._answers = True
                return described
            raise WorkerLost(self.last_words("The worker ended before it was ready"))
        except grpc.aio.AioRpcError as error:
            raise WorkerLost(
                self.last_words(f"The worker did not get ready ({error.code().name}: {error.details()})")
            ) from error
        finally:
            for task in (ended, call):
                task.cancel()
            await asyncio.gather(ended, call, return_exceptions=True)

    async def describe(self, timeout_s: float = 2.0) -> DescribeWorkerResponse | None:
        """What it is and holds; None if it does not say in time."""
        try:
            return await self._describe(timeout_s, wait=False)
        except grpc.aio.AioRpcError:
            return None

    async def wait(self) -> int:
        """Waits for its end; the exit code, negative for a signal."""
        return await self._process.wait()

    @property
    def has_ended(self) -> bool:
        """Whether the process is gone."""
        return self._process.returncode is not None

    def kill(self) -> None:
        """Ends it at once; whoever waits for it is told."""
        if not self.has_ended:
            self._process.kill()

    async def stop(self) -> None:
        """Asks it to end, then insists. Always leaves no process and no socket."""
        if not self.has_ended:
            if self._answers:
                await self._ask_to_stop()
            else:
                self._process.terminate()
            if self._process.stdin is not None:
                self._process.stdin.close()
            for insist in (self._process.terminate, self._process.kill):
                try:
                    await asyncio.wait_for(self._process.wait(), STOP_S)
                    break
                except asyncio.TimeoutError:
                    log.warning("worker does not end; insisting", pid=self.pid)
                    insist()
            await self._process.wait()
        await self.close()

    async def _ask_to_stop(self) -> None:
        try:
            await self.stub.StopWorker(StopWorkerRequest(), metadata=self.metadata, timeout=STOP_S)
        except grpc.aio.AioRpcError as error:
            log.debug("worker did not take the request to stop", code=error.code().name)

    async def close(self) -> None:
        """Lets go of the connection to a process that has ended."""
        await self._channel.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def last_words(self, what: str) -> str:
        """The message for its end: exit code, the last line of its log, and where the log is."""
        code = self._process.returncode
        how = "" if code is None else (f" (signal {-code})" if code < 0 else f" (exit code {code})")
        lines = [line for line in _tail(self._log_path).splitlines() if line.strip()]
        said = f"; it said: {lines[-1].strip()[:300]}" if lines and code else ""
        return f"{what}{how}{said}. Its log is {self._log_path}."

    async def _describe(self, timeout_s: float, *, wait: bool) -> DescribeWorkerResponse:
        answer: DescribeWorkerResponse = await self.stub.DescribeWorker(
            DescribeWorkerRequest(), metadata=self.metadata, timeout=timeout_s, wait_for_ready=wait
        )
        return answer


def sweep_sockets(runtime_dir: Path) -> None:
    """Removes what workers of a killed daemon left. Only with the lock held."""
    for path in runtime_dir.glob(f"{SOCKET_FOLDER}*"):
        shutil.rmtree(path, ignore_errors=True)


def _socket_folder(runtime_dir: Path) -> Path:
    folder = runtime_dir / f"{SOCKET_FOLDER}{secrets.token_hex(4)}"
    if len(os.fsencode(folder / "worker.sock")) > MAX_SOCKET_PATH:
        return Path(tempfile.mkdtemp(prefix="underpaint-"))
    return private_dir(folder)


def _open_log(path: Path) -> int:
    if path.exists() and path.stat().st_size > MAX_LOG_BYTES:
        path.replace(path.with_suffix(".old.log"))
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def _tail(path: Path, size: int = 4096) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - size))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""


async def _tcp_address(port_file: Path, process: asyncio.subprocess.Process) -> str:
    """Waits for the port that a worker without Unix sockets writes; for an ended one, nobody's address."""
    while process.returncode is None:
        if port_file.exists() and (text := port_file.read_text("ascii").strip()):
            return f"127.0.0.1:{text}"
        await asyncio.sleep(0.05)
    return "127.0.0.1:9"
