"""The way to the daemon: finds it, starts it, notices that it went, finds it again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from google.protobuf.message import Message

from underpaint.client.failures import Broken, NotServed, TimedOut
from underpaint.client.starter import INSTALL_HINT
from underpaint.client.starting import Starting
from underpaint.client.stubs import Wire
from underpaint.errors import (
    DaemonUnreachable,
    InvalidRequest,
    ProtocolUnsupported,
    ShuttingDown,
    TokenRefused,
    Unavailable,
)
from underpaint.types import ServerInfo
from underpaint.v1 import server_service_pb2
from underpaint.wire.discovery import Discovery, discovery_path, read_discovery
from underpaint.wire.headers import PROTOCOL_MINIMUM, PROTOCOL_VERSION, call_metadata
from underpaint.wire.paths import log_path
from underpaint.wire.server import server_info_from

Result = TypeVar("Result")
Reply = TypeVar("Reply", bound=Message)

CALL_TIMEOUT: Final = 30.0
"""Seconds for a call that answers at once."""
_HELLO_TIMEOUT: Final = 5.0
_POLL: Final = 0.05
_COMEBACK: Final = 3.0
"""Seconds for a daemon that went during a call to be started again by whoever does that."""


class Connection:
    """One daemon that answered, with the token that it took."""

    def __init__(self, wire: Wire, info: ServerInfo) -> None:
        self.wire = wire
        self.info = info
        self.mapped: bool | None = None
        """Whether both sides see the same files; None until the pixel plane has probed it."""


class Link:
    """At most one connection at a time. Lives on one event loop."""

    def __init__(self, *, start: bool, timeout: float, address: str | None, token: str | None) -> None:
        self._start = start
        self._timeout = timeout
        self._explicit = _explicit(address, token)
        self._connection: Connection | None = None
        self._lock = asyncio.Lock()
        self._closed = False

    async def connection(self, *, start: bool | None = None, patience: float = 0.0) -> Connection:
        """The present connection, or a new one. Raises `DaemonUnreachable`, `Refused`.

        patience: seconds to wait for a daemon that somebody else starts, where we may not.
        """
        async with self._lock:
            if self._closed:
                raise Unavailable("This client was closed: connect again.")
            if self._connection is None:
                found = await self._connect(self._start if start is None else start, patience)
                if self._closed:
                    found.wire.close()
                    raise Unavailable("This client was closed while it connected.")
                self._connection = found
            return self._connection

    def drop(self, connection: Connection) -> None:
        """Forgets a connection that broke."""
        connection.wire.close()
        if self._connection is connection:
            self._connection = None

    def close(self) -> None:
        """Ends the connection for good."""
        self._closed = True
        if self._connection is not None:
            self.drop(self._connection)

    async def run(
        self, action: Callable[[Connection], Awaitable[Result]], *, start: bool | None = None
    ) -> Result:
        """Does something with a connection, once more with a new one if it broke or the token was refused.

        Only for what may happen twice.
        """
        attempts = 0
        patience = 0.0
        while True:
            attempts += 1
            connection = await self.connection(start=start, patience=patience)
            try:
                return await action(connection)
            except TimedOut as error:
                raise DaemonUnreachable(
                    f"The daemon (process {connection.info.pid}) did not answer in time. "
                    f"Its log is {log_path()}; `underpaint stop` and `underpaint serve` start it afresh."
                ) from error
            except NotServed as error:
                raise ProtocolUnsupported(
                    f"The daemon, version {connection.info.version}, does not know this call: update it."
                ) from error
            except Broken as error:
                self.drop(connection)
                patience = _COMEBACK
                if attempts == 2:
                    raise DaemonUnreachable(f"The connection to the daemon broke twice: {error}.") from error
            except TokenRefused:
                # It was restarted: its new token is in the discovery file.
                self.drop(connection)
                if attempts == 2:
                    raise

    async def call(
        self,
        request: Message,
        reply: type[Reply],
        *,
        timeout: float | None = CALL_TIMEOUT,
        start: bool | None = None,
    ) -> Reply:
        """A call of one message that may safely happen twice."""
        return await self.run(lambda found: found.wire.unary(request, reply, timeout), start=start)

    async def _connect(self, start: bool, patience: float) -> Connection:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        start = start and self._explicit is None
        starting = Starting()
        refused = ""
        while True:
            found = self._explicit or read_discovery()
            problem, leaving = "", False
            if found is not None:
                try:
                    return await self._hello(found)
                except (Broken, ShuttingDown) as error:
                    problem, leaving = str(error), isinstance(error, ShuttingDown)
                except TokenRefused:
                    if self._explicit is not None or refused == found.token:
                        raise
                    refused = found.token
                    await asyncio.sleep(_POLL)
                    continue
            spent = loop.time() - begun
            if spent >= (self._timeout if start else patience):
                raise starting.failed(spent) if starting.launched else _unreachable(found, problem)
            # One that is leaving holds the lock until it has left.
            if start and not leaving:
                await starting.go_on(spent)
            await asyncio.sleep(_POLL)

    async def _hello(self, found: Discovery) -> Connection:
        wire = Wire(found.address, call_metadata(found.token))
        try:
            reply = await wire.unary(
                server_service_pb2.GetServerInfoRequest(),
                server_service_pb2.GetServerInfoResponse,
                min(_HELLO_TIMEOUT, self._timeout),
            )
            info = server_info_from(reply)
            _check_protocol(info)
        except BaseException:
            wire.close()
            raise
        return Connection(wire, info)


def _explicit(address: str | None, token: str | None) -> Discovery | None:
    if address is None and token is None:
        return None
    if not address or not token:
        raise InvalidRequest("Give both address and token, or neither: then the discovery file tells them.")
    return Discovery(address, token, 0, PROTOCOL_VERSION, PROTOCOL_VERSION, "")


def _check_protocol(info: ServerInfo) -> None:
    if info.protocol_minimum <= PROTOCOL_VERSION and info.protocol_maximum >= PROTOCOL_MINIMUM:
        return
    older = "this plug-in or client" if info.protocol_minimum > PROTOCOL_VERSION else "the daemon"
    raise ProtocolUnsupported(
        f"The daemon, version {info.version}, speaks protocols {info.protocol_minimum} to "
        f"{info.protocol_maximum}, this client {PROTOCOL_MINIMUM} to {PROTOCOL_VERSION}: update {older}.",
        metadata={
            "client": str(PROTOCOL_VERSION),
            "minimum": str(info.protocol_minimum),
            "maximum": str(info.protocol_maximum),
        },
    )


def _unreachable(found: Discovery | None, problem: str) -> DaemonUnreachable:
    if found is None:
        return DaemonUnreachable(
            f"No daemon is running (there is no {discovery_path()}). Run `underpaint serve`. {INSTALL_HINT}"
        )
    return DaemonUnreachable(
        f"The daemon at {found.address} does not answer ({problem or 'no connection'}). "
        f"Run `underpaint serve` to start it again; its log is {log_path()}."
    )
