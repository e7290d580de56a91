"""What a servicer raises, as the client sees it: status, message, and details in a trailer."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NoReturn

import grpc
import structlog

from underpaint.daemon.handlers import inside
from underpaint.errors import InternalError, UnderpaintError
from underpaint.wire.headers import STATUS_HEADER
from underpaint.wire.status import error_to_status

log = structlog.get_logger(__name__)

CODES = {code.value[0]: code for code in grpc.StatusCode}
# Servers send at most 8 KiB of trailers to be safe with every client; a longer message is cut.
MAX_MESSAGE = 2000
MAX_DETAILS = 6000


async def abort(context: grpc.aio.ServicerContext, error: UnderpaintError) -> NoReturn:
    """Ends the call with this error."""
    status = error_to_status(error)
    if len(status.message) > MAX_MESSAGE:
        status.message = status.message[: MAX_MESSAGE - 1] + "…"
    while len(status.details) > 1 and status.ByteSize() > MAX_DETAILS:
        del status.details[-1]
    await context.abort(CODES[status.code], status.message, ((STATUS_HEADER, status.SerializeToString()),))
    raise AssertionError("abort returned")


def internal(fault: BaseException, where: str) -> InternalError:
    """The error for a fault of ours; its traceback goes to the log under the id that the message names."""
    log_id = secrets.token_hex(4)
    log.error("fault", log_id=log_id, where=where, exc_info=fault)
    return InternalError(
        f"Something went wrong inside underpaint (log id {log_id}): look for this id in the daemon's log, "
        "logs/daemon.log in its state folder, and report it.",
        metadata={"log_id": log_id},
    )


class Faults(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Turns exceptions of servicers into statuses; outermost but for the token's check."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler | None]],
        details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler | None:
        """Wraps the handler."""
        handler = await continuation(details)
        if handler is None:
            return None
        method: Any = details.method

        @asynccontextmanager
        async def scope(context: grpc.aio.ServicerContext) -> AsyncIterator[None]:
            try:
                yield
            except UnderpaintError as error:
                await abort(context, error)
            except grpc.aio.AbortError:
                raise
            except Exception as fault:
                await abort(context, internal(fault, method))
                raise

        return inside(handler, scope)
