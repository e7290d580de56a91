"""Token and protocol on every call of every service, over the real server."""

from __future__ import annotations

import grpc
import pytest
from google.protobuf import descriptor_pool

from tests.unit.daemon.harness import SOON_S, Caller, Home, connect, to_error
from underpaint.daemon.auth import Guard, new_token
from underpaint.errors import ProtocolUnsupported, TokenRefused
from underpaint.v1 import blob_service_pb2, job_service_pb2, model_service_pb2, server_service_pb2
from underpaint.wire.headers import PROTOCOL_HEADER, TOKEN_HEADER, bearer

FILES = (blob_service_pb2, job_service_pb2, model_service_pb2, server_service_pb2)
METHODS = [
    (f"/{service.full_name}/{method.name}", method.client_streaming, method.server_streaming)
    for file in FILES
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
] + [
    ("/grpc.health.v1.Health/Check", False, False),
    ("/grpc.health.v1.Health/Watch", False, True),
    ("/underpaint.v1.JobService/NoSuchMethod", False, False),
    ("/no.such.Service/Method", False, False),
]


async def raw(caller: Caller, path: str, client_streams: bool, server_streams: bool) -> None:
    """One call with an empty message; raises the error of the tree."""
    names = {(False, False): "unary_unary", (False, True): "unary_stream", (True, False): "stream_unary"}
    method = getattr(caller.channel, names[client_streams, server_streams])(path)

    async def one() -> object:
        yield b""

    request = one() if client_streams else b""
    call = method(request, metadata=caller.metadata, timeout=SOON_S)
    try:
        if server_streams:
            async for _ in call:
                break
            call.cancel()
        else:
            await call
    except grpc.aio.AioRpcError as error:
        if error.code() is grpc.StatusCode.UNIMPLEMENTED:
            raise NotImplementedError from error
        raise to_error(error) from error


REFUSED = [
    ({TOKEN_HEADER: ""}, TokenRefused, "discovery", {}),
    ({TOKEN_HEADER: "Bearer " + "0" * 64}, TokenRefused, "discovery", {}),
    ({TOKEN_HEADER: "Basic abc"}, TokenRefused, "discovery", {}),
    (
        {PROTOCOL_HEADER: ""},
        ProtocolUnsupported,
        "update the client",
        {"client": "0", "minimum": "1", "maximum": "1"},
    ),
    ({PROTOCOL_HEADER: "0"}, ProtocolUnsupported, "update the client", {"client": "0"}),
    ({PROTOCOL_HEADER: "one"}, ProtocolUnsupported, "update the client", {"client": "0"}),
    ({PROTOCOL_HEADER: "2"}, ProtocolUnsupported, "update the daemon", {"client": "2", "maximum": "1"}),
]


async def test_every_call_is_checked_whatever_it_is(running: Home) -> None:
    for headers, error, way_out, facts in REFUSED:
        caller = connect(running, **headers)
        for path, client_streams, server_streams in METHODS:
            with pytest.raises(error, match=way_out) as raised:
                await raw(caller, path, client_streams, server_streams)
            assert facts.items() <= raised.value.metadata.items(), (path, headers)
        await caller.channel.close()


async def test_with_token_and_protocol_calls_go_through(running: Home, caller: Caller) -> None:
    await raw(caller, "/grpc.health.v1.Health/Check", False, False)
    await raw(caller, "/grpc.health.v1.Health/Watch", False, True)
    await raw(caller, "/underpaint.v1.ServerService/GetServerInfo", False, False)
    with pytest.raises(NotImplementedError):
        await raw(caller, "/no.such.Service/Method", False, False)


async def test_reflection_is_off_unless_it_is_asked_for(home: Home) -> None:
    path = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
    outcomes = []
    for setting in ("0", "1"):
        with home.daemon(UNDERPAINT_REFLECTION=setting):
            caller = connect(home)
            call = caller.channel.stream_stream(path)(
                iter([b"\x3a\x00"]), metadata=caller.metadata, timeout=SOON_S
            )
            try:
                answer = await call.read()
                outcomes.append(b"underpaint.v1.JobService" in answer)
            except grpc.aio.AioRpcError as error:
                outcomes.append(error.code())
            await caller.channel.close()
    assert outcomes == [grpc.StatusCode.UNIMPLEMENTED, True]


def test_tokens_have_256_bits_and_differ() -> None:
    first, second = new_token(), new_token()
    assert first != second
    assert len(bytes.fromhex(first)) == 32


@pytest.mark.parametrize("value", ["Bearer t", b"Bearer t"])
def test_the_header_may_be_text_or_bytes(value: str | bytes) -> None:
    metadata = ((TOKEN_HEADER, value), (PROTOCOL_HEADER, "1"))
    assert Guard("t").refusal(metadata) is None
    assert isinstance(Guard("u").refusal(metadata), TokenRefused)
    assert isinstance(Guard("t").refusal(None), TokenRefused)


def test_older_protocols_in_the_range_are_served() -> None:
    guard = Guard("t", minimum=2, maximum=4)
    found = [guard.refusal(((TOKEN_HEADER, bearer("t")), (PROTOCOL_HEADER, str(n)))) for n in range(1, 6)]
    assert [error is None for error in found] == [False, True, True, True, False]


def test_the_table_covers_every_service_of_the_protocol() -> None:
    pool = descriptor_pool.Default()
    assert pool.FindServiceByName("underpaint.v1.JobService").full_name
    assert len({path.split("/")[1] for path, *_ in METHODS}) == 6
