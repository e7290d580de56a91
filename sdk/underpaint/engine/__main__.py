"""The worker process: `python -m underpaint.engine --socket PATH --device cpu`.

Started by the daemon with UNDERPAINT_WORKER_TOKEN in its environment; ends with the daemon, that is when its
standard input closes.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

TOKEN_VARIABLE = "UNDERPAINT_WORKER_TOKEN"
GRACE_S = 1.0


def main() -> None:
    """Reads the arguments and runs until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m underpaint.engine", description=__doc__)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--socket", type=Path, help="serve on this Unix socket")
    where.add_argument("--port-file", type=Path, help="serve on a free loopback port and write it here")
    parser.add_argument("--device", default="auto", help="as torch names it; auto: cuda:0, else cpu")
    parser.add_argument(
        "--dtype", choices=("float32", "bfloat16"), default=None, help="default: float32 on cpu"
    )
    arguments = parser.parse_args()
    token = os.environ.pop(TOKEN_VARIABLE, "")
    if not token:
        parser.error(f"{TOKEN_VARIABLE} is not set; the daemon starts workers")
    # Threads that spin while they wait would take the cores from the daemon and the host.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    _quieten()
    _log_to_stderr()
    asyncio.run(_serve(arguments, token))


async def _serve(arguments: argparse.Namespace, token: str) -> None:
    from underpaint.engine.loop import DeviceLoop
    from underpaint.engine.memory.broker import Broker
    from underpaint.engine.memory.device import TorchDevice
    from underpaint.engine.memory.estimates import Estimates
    from underpaint.engine.memory.settings import MemorySettings
    from underpaint.engine.registry import Families
    from underpaint.engine.residency import Shelf
    from underpaint.engine.server import WorkerService, serve

    name = arguments.device
    if name == "auto":
        import torch

        name = "cuda:0" if torch.cuda.is_available() else "cpu"
    dtype = arguments.dtype or ("float32" if name == "cpu" else "bfloat16")
    memory = MemorySettings.of(os.environ)
    estimates = Estimates(memory.estimates_file(name))
    broker = Broker(TorchDevice(name), reserve=memory.reserve, estimates=estimates)
    families = Families(Shelf(broker=broker), name, dtype)
    device = DeviceLoop(families, memory.keep_alive)
    service = WorkerService(device, families, token)
    address = "127.0.0.1:0" if arguments.socket is None else f"unix:{arguments.socket}"
    os.umask(0o077)
    server, port = await serve(address, service)
    if arguments.port_file is not None:
        temporary = arguments.port_file.with_suffix(".new")
        temporary.write_text(str(port), "ascii")
        temporary.replace(arguments.port_file)
    loop = asyncio.get_running_loop()
    _watch_parent(lambda: loop.call_soon_threadsafe(service.stopping.set))
    # Ctrl-C in a terminal goes to the whole group; the daemon decides when its workers end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "SIGTERM") and sys.platform != "win32":
        loop.add_signal_handler(signal.SIGTERM, service.stopping.set)
    device.start()
    await service.stopping.wait()
    await asyncio.to_thread(device.stop)
    await server.stop(GRACE_S)
    if arguments.socket is not None:
        arguments.socket.unlink(missing_ok=True)
    sys.stderr.flush()
    # Nothing is left to do. A network or an import that still runs in a thread could not be interrupted
    # in any other way.
    os._exit(0)


def _watch_parent(ended: Callable[[], object]) -> None:
    def watch() -> None:
        # Unbuffered: a thread that holds the lock of sys.stdin would hang the interpreter at its end.
        while os.read(0, 4096):
            pass
        ended()

    threading.Thread(target=watch, name="parent", daemon=True).start()


def _log_to_stderr() -> None:
    import structlog

    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _quieten() -> None:
    """Progress bars belong to whoever shows the job."""
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
    os.environ.setdefault("TQDM_DISABLE", "1")


if __name__ == "__main__":
    main()
