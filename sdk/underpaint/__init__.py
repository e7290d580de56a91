"""underpaint: diffusion for host programs, through one local daemon.

    import underpaint

    with underpaint.connect() as client:
        job = client.submit(underpaint.GenerateRequest(prompt="old brick wall", seed=7))
        job.wait()
        image = job.fetch()[0]

Importing this module is cheap and loads neither torch nor numpy nor grpc; names load on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0.dev0"

if TYPE_CHECKING:
    from underpaint.client import AsyncClient, Client, connect, connect_async
    from underpaint.errors import UnderpaintError
    from underpaint.hookspecs import hookimpl
    from underpaint.host import HostAdapter, Session
    from underpaint.types import (
        Bounds,
        Control,
        GenerateRequest,
        Image,
        JobState,
        JobUpdate,
        Lora,
        ModelInfo,
        PixelFormat,
        Preview,
        Region,
        Tiling,
    )

_HOMES = {
    "AsyncClient": "client",
    "Client": "client",
    "connect": "client",
    "connect_async": "client",
    "UnderpaintError": "errors",
    "hookimpl": "hookspecs",
    "HostAdapter": "host",
    "Session": "host",
    "Bounds": "types",
    "Control": "types",
    "GenerateRequest": "types",
    "Image": "types",
    "JobState": "types",
    "JobUpdate": "types",
    "Lora": "types",
    "ModelInfo": "types",
    "PixelFormat": "types",
    "Preview": "types",
    "Region": "types",
    "Tiling": "types",
}

__all__ = [
    "AsyncClient",
    "Bounds",
    "Client",
    "Control",
    "GenerateRequest",
    "HostAdapter",
    "Image",
    "JobState",
    "JobUpdate",
    "Lora",
    "ModelInfo",
    "PixelFormat",
    "Preview",
    "Region",
    "Session",
    "Tiling",
    "UnderpaintError",
    "__version__",
    "connect",
    "connect_async",
    "hookimpl",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # __name__, not "underpaint": the same file lives inside a plug-in's own package.
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
