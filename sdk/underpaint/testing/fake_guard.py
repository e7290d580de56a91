"""What stands before every call of the fake daemon: token, protocol, scripted failures and delays."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

import grpc

from underpaint.errors import ProtocolUnsupported, TokenRefused, UnderpaintError
from underpaint.wire.headers import PROTOCOL_HEADER, STATUS_HEADER, TOKEN_HEADER, bearer
from underpaint.wire.status import error_to_status

_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}


class Guarded(Protocol):
    """What the guard asks of the daemon."""

    token: str
    protocols: tuple[int, int]
    calls: list[str]
    failures: dict[str, list[UnderpaintError]]
    delays: dict[str, float]


class FakeGuard(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Token, protocol, scripted failures; and exceptions of the tree as statuses."""

    def __init__(self, daemon: Guarded) -> None:
        self._daemon = daemon

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], details: grpc.HandlerCallDetails
    ) -> Any:
        """Wraps the call's handler."""
        handler = await continuation(details)
        if handler is None:
            return None
        name = details.method.rpartition("/")[2]
        self._daemon.calls.append(name)
        refusal = self._refusal(dict(details.invocation_metadata))
        failures = self._daemon.failures.get(name)
        if refusal is None and failures:
            refusal = failures.pop(0)
        delay = self._daemon.delays.get(name, 0.0)
        inner = handler.unary_unary or handler.unary_stream or handler.stream_unary

        async def one(request: Any, context: Any) -> Any:
            async with _statuses(context):
                await asyncio.sleep(delay)
                if refusal is not None:
                    raise refusal
                return await inner(request, context)

        async def many(request: Any, context: Any) -> Any:
            async with _statuses(context):
                await asyncio.sleep(delay)
                if refusal is not None:
                    raise refusal
                async for message in inner(request, context):
                    yield message

        make, body = grpc.unary_unary_rpc_method_handler, one
        if handler.unary_stream:
            make, body = grpc.unary_stream_rpc_method_handler, many
        elif handler.stream_unary:
            make = grpc.stream_unary_rpc_method_handler
        return make(body, handler.request_deserializer, handler.response_serializer)

    def _refusal(self, metadata: dict[str, Any]) -> UnderpaintError | None:
        if not secrets.compare_digest(metadata.get(TOKEN_HEADER, ""), bearer(self._daemon.token)):
            return TokenRefused("The token is wrong: read the discovery file again.")
        minimum, maximum = self._daemon.protocols
        client = metadata.get(PROTOCOL_HEADER, "")
        if not client.isdecimal() or int(client) < minimum:
            return ProtocolUnsupported(
                f"This client speaks protocol {client or 'none'}, the daemon {minimum} to {maximum}: "
                "update the client.",
                metadata={"client": client, "minimum": str(minimum), "maximum": str(maximum)},
            )
        return None


@contextlib.asynccontextmanager
async def _statuses(context: Any) -> Any:
    try:
        yield
    except UnderpaintError as error:
        status = error_to_status(error)
        trailer = ((STATUS_HEADER, status.SerializeToString()),)
        await context.abort(_CODES[status.code], status.message, trailer)
