"""The daemon: queue, journal, blobs, model index, supervision of workers. It never imports torch.

`run(Settings())` blocks until the daemon ends and returns the process's exit code; `serve` is the same
inside a running asyncio loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from underpaint.daemon.server import ALREADY_RUNNING, run, serve
    from underpaint.daemon.settings import Settings

__all__ = ["ALREADY_RUNNING", "Settings", "run", "serve"]


def __getattr__(name: str) -> Any:
    # grpc and sqlite load with the server only: the command line asks for Settings alone at its start.
    if name == "Settings":
        from underpaint.daemon.settings import Settings

        return Settings
    if name in ("ALREADY_RUNNING", "run", "serve"):
        from underpaint.daemon import server

        return getattr(server, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
