"""What a call costs beside a bare grpcio client on the same daemon and socket."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterator

import grpc

import underpaint
from underpaint.cli.measure import Figure, scratch_daemon
from underpaint.errors import DaemonUnreachable
from underpaint.v1 import server_service_pb2
from underpaint.wire.discovery import read_discovery
from underpaint.wire.headers import PROTOCOL_HEADER, PROTOCOL_VERSION, TOKEN_HEADER

CALLS = 200
ASYNC_RATIO = 2.0
BLOCKING_RATIO = 2.5
EMPTY = server_service_pb2.GetServerInfoRequest()
METHOD = "/underpaint.v1.ServerService/GetServerInfo"
CODEC = (
    server_service_pb2.GetServerInfoRequest.SerializeToString,
    server_service_pb2.GetServerInfoResponse.FromString,
)


def measure(rounds: int) -> Iterator[Figure]:
    """Ours over theirs, asyncio against asyncio and blocking against blocking, rounds interleaved."""
    with scratch_daemon():
        ours, bare = asyncio.run(_asyncio(rounds))
        yield _figure("empty call, asyncio", ours, bare, ASYNC_RATIO)
        ours, bare = _blocking(rounds)
        yield _figure("empty call, blocking", ours, bare, BLOCKING_RATIO)


def _figure(what: str, ours: list[float], bare: list[float], budget: float) -> Figure:
    mine, theirs = statistics.median(ours), statistics.median(bare)
    detail = f"{mine * 1000:.2f} ms, grpcio {theirs * 1000:.2f} ms"
    return Figure(what, mine / theirs, budget, "x", detail)


def _bare() -> tuple[str, list[tuple[str, str]]]:
    found = read_discovery()
    if found is None:
        raise DaemonUnreachable("The benchmark's own daemon has gone.")
    target = found.address.removeprefix("tcp:")
    headers = [(TOKEN_HEADER, f"Bearer {found.token}"), (PROTOCOL_HEADER, str(PROTOCOL_VERSION))]
    return target, headers


async def _asyncio(rounds: int) -> tuple[list[float], list[float]]:
    target, headers = _bare()
    ours: list[float] = []
    bare: list[float] = []
    client = await underpaint.connect_async(start=False)
    async with grpc.aio.insecure_channel(target) as channel:
        bare_call = channel.unary_unary(METHOD, *CODEC)
        for _ in range(rounds + 1):
            start = time.perf_counter()
            for _ in range(CALLS):
                await client.server_info()
            middle = time.perf_counter()
            for _ in range(CALLS):
                await bare_call(EMPTY, metadata=headers)
            ours.append((middle - start) / CALLS)
            bare.append((time.perf_counter() - middle) / CALLS)
    await client.close()
    return ours[1:], bare[1:]  # The first round warms up.


def _blocking(rounds: int) -> tuple[list[float], list[float]]:
    target, headers = _bare()
    ours: list[float] = []
    bare: list[float] = []
    with underpaint.connect(start=False) as client, grpc.insecure_channel(target) as channel:
        bare_call = channel.unary_unary(METHOD, *CODEC)
        for _ in range(rounds + 1):
            start = time.perf_counter()
            for _ in range(CALLS):
                client.server_info()
            middle = time.perf_counter()
            for _ in range(CALLS):
                bare_call(EMPTY, metadata=headers)
            ours.append((middle - start) / CALLS)
            bare.append((time.perf_counter() - middle) / CALLS)
    return ours[1:], bare[1:]
