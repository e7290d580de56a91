"""Functions of plug-ins in a worker: imported by the path that the daemon gives, blamed for their faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import structlog

from underpaint.errors import PluginFailed, UnderpaintError
from underpaint.worker_v1.worker_service_pb2 import PluginFunction

log = structlog.get_logger(__name__)


def load(function: PluginFunction) -> Callable[..., Any]:
    """The function behind "module:callable". Raises `PluginFailed`."""
    module, _, attribute = function.engine.partition(":")
    with blaming(function.name):
        found: Callable[..., Any] = getattr(import_module(module), attribute)
        return found


def preprocessor(function: PluginFunction) -> Callable[..., Any]:
    """The same for a preprocessor, given its weights and its helper where it wants some."""
    found = load(function)
    if function.weights:
        found = partial(found, weights=Path(function.weights))
    if function.HasField("helper"):
        found = partial(found, helper=Path(function.helper) if function.helper else None)
    return found


@contextmanager
def blaming(name: str) -> Iterator[None]:
    """Turns whatever a plug-in raises into `PluginFailed`; errors of the tree and a full memory pass."""
    try:
        yield
    except (UnderpaintError, MemoryError):
        raise
    except Exception as error:
        log.exception("plug-in failed", plugin=name)
        raise PluginFailed(
            f"The plug-in function {name!r} failed ({type(error).__name__}: {error}). The worker's log has "
            "the traceback. Repair or remove its plug-in, or block it with UNDERPAINT_PLUGINS_BLOCK.",
            metadata={"plugin": name},
        ) from error
