"""What can go wrong with a call, in three kinds: the tree of `underpaint.errors`, `Broken`, `NotServed`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any, Final

from grpclib.const import Status
from grpclib.encoding.base import StatusDetailsCodecBase
from grpclib.exceptions import GRPCError, ProtocolError, StreamTerminatedError
from grpclib.protocol import Connection
from h2.exceptions import H2Error

from underpaint.v1 import status_pb2
from underpaint.wire.status import status_to_error


class Broken(Exception):
    """The connection broke, or never came about; whether the call had an effect is unknown."""


class TimedOut(Broken):
    """No answer in time."""


class NotServed(Exception):
    """The daemon does not know this call."""


class StatusCodec(StatusDetailsCodecBase):
    """Reads our private Status: grpclib drops details unless somebody decodes them."""

    def encode(self, status: Status, message: str | None, details: Any) -> bytes:
        """Not for clients."""
        raise NotImplementedError("only daemons send a status")

    def decode(self, status: Status, message: str | None, data: bytes) -> status_pb2.Status:
        """The trailer's bytes as our Status."""
        return status_pb2.Status.FromString(data)


# AssertionError is how grpclib says that a connection ended inside a message.
_FAILURES: Final = (
    GRPCError,
    ProtocolError,
    StreamTerminatedError,
    H2Error,
    OSError,
    asyncio.TimeoutError,
    AssertionError,
)


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turns everything that a call can raise into the three kinds."""
    task = asyncio.current_task()
    cancels = _cancels(task)
    try:
        yield
    except _FAILURES as error:
        # grpclib wakes a task by cancelling it and does not take that back, which from Python 3.11 on
        # confuses the timeouts and task groups around us.
        while task is not None and task is asyncio.current_task() and _cancels(task) > cancels:
            task.uncancel()  # type: ignore[attr-defined,unused-ignore]
        raise _translate(error) from error
    except AttributeError as error:
        # grpclib forgets the transport of a connection that ended before its first call.
        if not isinstance(error.obj, Connection):
            raise
        raise Broken("the connection ended before its first call") from error


def _cancels(task: asyncio.Task[Any] | None) -> int:
    count = getattr(task, "cancelling", None)
    return count() if count is not None else 0


def _translate(error: BaseException) -> Exception:
    text = str(error) or type(error).__name__
    if isinstance(error, asyncio.TimeoutError):
        return TimedOut(text)
    if not isinstance(error, GRPCError):
        return Broken(text)
    if isinstance(error.details, status_pb2.Status):
        return status_to_error(error.details)
    text = error.message or error.status.name
    if error.status is Status.UNAVAILABLE:
        return Broken(text)
    if error.status is Status.DEADLINE_EXCEEDED:
        return TimedOut(text)
    if error.status is Status.UNIMPLEMENTED:
        return NotServed(text)
    return status_to_error(status_pb2.Status(code=error.status.value, message=text))
