"""The daemon as a process: lock, gRPC server, discovery file, signals."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from underpaint import __version__
from underpaint.daemon import log as logs
from underpaint.daemon.app import Daemon
from underpaint.daemon.auth import Guard, new_token
from underpaint.daemon.faults import Faults
from underpaint.daemon.instance import LOCK, AlreadyRunning, InstanceLock, listen_address
from underpaint.daemon.services.blob import BlobService
from underpaint.daemon.services.job import JobService
from underpaint.daemon.services.model import ModelService
from underpaint.daemon.services.server import ServerService
from underpaint.daemon.settings import Settings
from underpaint.errors import UnderpaintError, Unusable
from underpaint.v1.blob_service_pb2_grpc import add_BlobServiceServicer_to_server
from underpaint.v1.job_service_pb2_grpc import add_JobServiceServicer_to_server
from underpaint.v1.model_service_pb2_grpc import add_ModelServiceServicer_to_server
from underpaint.v1.server_service_pb2_grpc import add_ServerServiceServicer_to_server
from underpaint.wire.discovery import Discovery, remove_discovery, write_discovery
from underpaint.wire.headers import PROTOCOL_MINIMUM, PROTOCOL_VERSION
from underpaint.wire.paths import private_dir

log = structlog.get_logger(__name__)

ALREADY_RUNNING = 3
"""Exit code of a daemon that found another one running."""
SERVICES = tuple(
    f"underpaint.v1.{name}" for name in ("JobService", "BlobService", "ModelService", "ServerService")
)
STOP_GRACE_S = 1.0
_OPTIONS = (
    # Without this a second server on one port would get half of the first one's calls.
    ("grpc.so_reuseport", 0),
    # Chunks are 1 MiB, everything else is small: no call may bring the daemon to its knees.
    ("grpc.max_receive_message_length", 4 << 20),
    ("grpc.max_send_message_length", 16 << 20),
)


def run(settings: Settings) -> int:
    """Serves until told to stop; returns the exit code: 0, 1 for a fault, 3 if a daemon runs already."""
    try:
        return asyncio.run(serve(settings))
    except AlreadyRunning as error:
        print(f"underpaint: {error}", file=sys.stderr)
        return ALREADY_RUNNING
    except UnderpaintError as error:
        print(f"underpaint: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


async def serve(settings: Settings, *, on_ready: Callable[[Discovery], None] | None = None) -> int:
    """Serves until told to stop. `on_ready` is called once the server answers and can be found."""
    # Discovery, workers and plug-ins look the folders up in the environment.
    for name in ("runtime_dir", "state_dir", "pixel_dir"):
        os.environ[f"UNDERPAINT_{name.upper()}"] = str(getattr(settings, name))
    private_dir(settings.runtime_dir)
    lock = InstanceLock(settings.runtime_dir / LOCK)
    lock.acquire()
    try:
        private_dir(settings.state_dir)
        logs.configure(private_dir(settings.state_dir / "logs"), settings.log_level)
        await _serve(settings, on_ready)
    finally:
        lock.release()
    return 0


async def _serve(settings: Settings, on_ready: Callable[[Discovery], None] | None) -> None:
    daemon = Daemon(settings)
    token = new_token()
    checks = health.aio.HealthServicer()
    server = _server(daemon, token, checks)
    await daemon.start()
    try:
        address = await _listen(server, settings)
        for service in ("", *SERVICES):
            await checks.set(service, health_pb2.HealthCheckResponse.SERVING)
        found = Discovery(address, token, os.getpid(), PROTOCOL_MINIMUM, PROTOCOL_VERSION, __version__)
        _on_signals(daemon.stop)
        write_discovery(found)
        log.info("serving", address=address, pid=found.pid, version=__version__)
        daemon.run_workers()
        if on_ready is not None:
            on_ready(found)
        await daemon.stopped()
        await checks.enter_graceful_shutdown()
        await daemon.drain()
    finally:
        remove_discovery(os.getpid())
        await server.stop(STOP_GRACE_S)
        await daemon.close()
        with suppress(FileNotFoundError):
            (settings.runtime_dir / "daemon.sock").unlink()
        log.info("ended")


def _server(daemon: Daemon, token: str, checks: health.aio.HealthServicer) -> grpc.aio.Server:
    server = grpc.aio.server(
        interceptors=(Guard(token), Faults(), daemon.activity), options=_OPTIONS, compression=None
    )
    add_JobServiceServicer_to_server(JobService(daemon.jobs, daemon.submission), server)  # type: ignore[no-untyped-call]
    add_BlobServiceServicer_to_server(BlobService(daemon.blobs, daemon.prober), server)  # type: ignore[no-untyped-call]
    add_ModelServiceServicer_to_server(
        ModelService(daemon.models, daemon.controls, daemon.loras, daemon.supervisor), server
    )  # type: ignore[no-untyped-call]
    itself = ServerService(daemon.board, daemon.models, daemon.supervisor, daemon.safety, daemon.stop)
    add_ServerServiceServicer_to_server(itself, server)  # type: ignore[no-untyped-call]
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    if daemon.settings.reflection:
        from grpc_reflection.v1alpha import reflection

        names = (*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, server)
    return server


async def _listen(server: grpc.aio.Server, settings: Settings) -> str:
    """Binds and starts; returns the address for the discovery file."""
    address = listen_address(settings.runtime_dir, settings.transport, settings.tcp_port)
    # The socket file gets the process's mask: nobody else may even connect.
    before = os.umask(0o177)
    try:
        port = server.add_insecure_port(address)
        await server.start()
    except RuntimeError as error:
        raise Unusable(
            f"Cannot listen on {address}: {error}. Is the port taken? Choose another one."
        ) from error
    finally:
        os.umask(before)
    return address if address.startswith("unix:") else f"tcp:127.0.0.1:{port}"


def _on_signals(stop: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(number, stop)
        except (NotImplementedError, RuntimeError, ValueError):
            # Windows, or not the main thread: there Shutdown ends the daemon.
            with suppress(ValueError):
                signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop))
