"""gRPC calls straight from the service descriptors: grpclib needs no generated code for that.

Everything that a broken connection can raise becomes `Broken`, every status an exception of the tree.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from typing import Any, Final, TypeVar, cast

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpclib.client import Channel, Stream
from grpclib.config import Configuration
from grpclib.const import Cardinality
from grpclib.encoding.proto import ProtoCodec

from underpaint.client.failures import Broken, StatusCodec, translated
from underpaint.errors import InvalidRequest
from underpaint.v1 import (
    blob_service_pb2,
    job_service_pb2,
    model_service_pb2,
    server_service_pb2,
)

Reply = TypeVar("Reply", bound=Message)

_FILES: Final = (job_service_pb2, blob_service_pb2, model_service_pb2, server_service_pb2)
_WINDOW: Final = 8 << 20
"""Bytes that a stream of pixels may be ahead of us."""


class _Method:
    """One call: its path on the wire, its kind, its messages."""

    __slots__ = ("cardinality", "path", "reply", "request")

    def __init__(self, service: ServiceDescriptor, method: MethodDescriptor) -> None:
        self.path = f"/{service.full_name}/{method.name}"
        streams = (bool(method.client_streaming), bool(method.server_streaming))
        self.cardinality = next(kind for kind in Cardinality if kind.value == streams)
        self.request = GetMessageClass(method.input_type)
        self.reply = GetMessageClass(method.output_type)


def _methods() -> dict[type[Message], _Method]:
    """Every call by the class of its request: each call has a request message of its own."""
    found: dict[type[Message], _Method] = {}
    for file in _FILES:
        for service in file.DESCRIPTOR.services_by_name.values():
            for descriptor in service.methods:
                method = _Method(service, descriptor)
                found[method.request] = method
    return found


_METHODS: Final = _methods()


class Wire:
    """One HTTP/2 connection. Lives on the event loop that it was made on."""

    def __init__(self, address: str, metadata: Mapping[str, str]) -> None:
        config = Configuration(http2_connection_window_size=_WINDOW, http2_stream_window_size=_WINDOW)
        kind, _, place = address.partition(":")
        host, _, port = place.rpartition(":")
        if kind == "unix" and place:
            place_arguments: dict[str, Any] = {"path": place}
        elif kind == "tcp" and host and port.isdecimal():
            _check_loopback(host.strip("[]"))
            place_arguments = {"host": host.strip("[]"), "port": int(port)}
        else:
            raise InvalidRequest(f"An address is unix:/absolute/path or tcp:HOST:PORT, got {address!r}.")
        self._channel = Channel(
            codec=ProtoCodec(), status_details_codec=StatusCodec(), config=config, **place_arguments
        )
        self._metadata = dict(metadata)

    async def unary(self, request: Message, reply: type[Reply], timeout: float | None) -> Reply:
        """One message there, one back."""
        async with self._open(type(request), timeout) as stream:
            await stream.send_message(request, end=True)
            return cast(Reply, _there(await stream.recv_message()))

    async def down(self, request: Message, reply: type[Reply]) -> AsyncGenerator[Reply, None]:
        """One message there, many back. Ends the call when the iterator is closed."""
        async with self._open(type(request), None) as stream:
            await stream.send_message(request, end=True)
            while True:
                message = await stream.recv_message()
                if message is None:
                    break
                yield cast(Reply, message)

    async def up(self, requests: Iterable[Message], kind: type[Message], reply: type[Reply]) -> Reply:
        """Many messages there, one back; `requests` is drawn as the daemon takes them."""
        async with self._open(kind, None) as stream:
            for request in requests:
                await stream.send_message(request)
            await stream.end()
            return cast(Reply, _there(await stream.recv_message()))

    def close(self) -> None:
        """Closes the socket."""
        self._channel.close()

    @contextlib.asynccontextmanager
    async def _open(self, kind: type[Message], timeout: float | None) -> AsyncIterator[Stream[Any, Any]]:
        method = _METHODS[kind]
        with translated():
            stream: Stream[Any, Any] = self._channel.request(
                method.path,
                method.cardinality,
                method.request,
                method.reply,
                timeout=timeout,
                metadata=self._metadata,
            )
            async with stream:
                yield stream


def _check_loopback(host: str) -> None:
    if host in ("localhost", "::1") or host.startswith("127."):
        return
    raise InvalidRequest(
        f"{host} is another machine, and this version has no TLS to keep token and pictures secret: "
        "forward the daemon's port through ssh and name 127.0.0.1."
    )


def _there(message: object) -> object:
    if message is None:
        raise Broken("the stream ended without an answer")
    return message
