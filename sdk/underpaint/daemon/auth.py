"""Who may call: token and protocol version, checked on every call before its request is read."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import grpc

from underpaint import __version__
from underpaint.daemon.faults import abort
from underpaint.daemon.handlers import inside
from underpaint.errors import ProtocolUnsupported, TokenRefused, UnderpaintError
from underpaint.wire.headers import (
    PROTOCOL_HEADER,
    PROTOCOL_MINIMUM,
    PROTOCOL_VERSION,
    TOKEN_HEADER,
    bearer,
)


def new_token() -> str:
    """256 random bits, hexadecimal; made at every start."""
    return secrets.token_hex(32)


class Guard(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Refuses calls without the token or of another protocol: unary, streaming, health, unknown methods."""

    def __init__(self, token: str, minimum: int = PROTOCOL_MINIMUM, maximum: int = PROTOCOL_VERSION) -> None:
        self._expected = bearer(token).encode()
        self._minimum, self._maximum = minimum, maximum

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler | None]],
        details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler | None:
        """Lets the call through or answers it with the refusal."""
        error = self.refusal(details.invocation_metadata)
        handler = await continuation(details)
        if error is None:
            return handler
        refused = error

        @asynccontextmanager
        async def scope(context: grpc.aio.ServicerContext) -> AsyncIterator[None]:
            await abort(context, refused)
            yield

        # Also where there is no such method: what exists is nobody's business without the token.
        return inside(handler or grpc.unary_unary_rpc_method_handler(_nothing), scope)

    def refusal(self, metadata: tuple[tuple[str, str | bytes], ...] | None) -> UnderpaintError | None:
        """Why these headers are refused; None if they are not."""
        headers = {key.lower(): value for key, value in metadata or ()}
        given = headers.get(TOKEN_HEADER, b"")
        if not hmac.compare_digest(given.encode() if isinstance(given, str) else given, self._expected):
            return TokenRefused(
                "The daemon does not know this token. It makes a new one at every start: read the discovery "
                "file daemon.json in its run-time folder again."
            )
        return self._protocol(headers.get(PROTOCOL_HEADER, "0"))

    def _protocol(self, given: str | bytes) -> UnderpaintError | None:
        text = given.decode("ascii", "replace") if isinstance(given, bytes) else given
        client = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
        if self._minimum <= client <= self._maximum:
            return None
        facts = {"client": str(client), "minimum": str(self._minimum), "maximum": str(self._maximum)}
        if client > self._maximum:
            way_out = "update the daemon: pip install -U underpaint, then restart it"
        else:
            way_out = "update the client; for a host's plug-in run: underpaint hosts install HOST"
        return ProtocolUnsupported(
            f"The client speaks protocol {client}, the daemon {__version__} speaks {self._minimum} to "
            f"{self._maximum}: {way_out}.",
            metadata=facts,
        )


async def _nothing(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
    return b""
