"""What servicers raise, seen from the other end of a real connection."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
import pytest
import structlog

from tests.unit.daemon.harness import eventually, to_error
from underpaint.daemon import log as logs
from underpaint.daemon.faults import MAX_MESSAGE, Faults
from underpaint.errors import InternalError, InvalidRequest, StorageFull, UnderpaintError, Violation
from underpaint.v1 import job_service_pb2 as pb
from underpaint.v1.job_service_pb2_grpc import (
    JobServiceServicer,
    JobServiceStub,
    add_JobServiceServicer_to_server,
)


class Raising(JobServiceServicer):
    """Raises what the test says, in a unary call and after one message of a stream; None: says no more."""

    def __init__(self) -> None:
        self.error: Exception | None = UnderpaintError("unset")
        self.closed = False

    async def GetJob(self, request, context):  # noqa: N802
        raise self.error or AssertionError("nothing to raise")

    async def WatchJob(self, request, context):  # noqa: N802
        try:
            yield pb.WatchJobResponse()
            if self.error is None:
                await asyncio.Event().wait()
            raise self.error or AssertionError("nothing to raise")
        finally:
            self.closed = True


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[tuple[Raising, JobServiceStub]]:
    raising = Raising()
    server = grpc.aio.server(interceptors=(Faults(),))
    add_JobServiceServicer_to_server(raising, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
    yield raising, JobServiceStub(channel)
    await channel.close()
    await server.stop(0)


@pytest.fixture
def log_file(tmp_path: Path) -> Iterator[Path]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    logs.configure(tmp_path, "info")
    yield tmp_path / "daemon.log"
    structlog.reset_defaults()
    for handler in root.handlers:
        handler.close()
    root.handlers[:], root.level = handlers, level


async def caught(stub: JobServiceStub, *, stream: bool) -> UnderpaintError:
    try:
        if stream:
            messages = [message async for message in stub.WatchJob(pb.WatchJobRequest())]
            raise AssertionError(f"ended well after {len(messages)} messages")
        await stub.GetJob(pb.GetJobRequest())
    except grpc.aio.AioRpcError as error:
        return to_error(error)
    raise AssertionError("ended well")


@pytest.mark.parametrize("stream", [False, True])
async def test_an_error_of_the_tree_arrives_whole(
    served: tuple[Raising, JobServiceStub], stream: bool
) -> None:
    raising, stub = served
    raising.error = StorageFull("no room: free some", metadata={"needed_bytes": "5"})
    error = await caught(stub, stream=stream)
    assert type(error) is StorageFull
    assert (error.message, error.metadata) == ("no room: free some", {"needed_bytes": "5"})
    raising.error = InvalidRequest("wrong", violations=[Violation("spec.steps", "too many")])
    assert (await caught(stub, stream=stream)).violations == (Violation("spec.steps", "too many"),)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_fault_of_ours_becomes_internal_and_its_traceback_is_in_the_log(
    log_file: Path, served: tuple[Raising, JobServiceStub], stream: bool
) -> None:
    raising, stub = served
    raising.error = ZeroDivisionError("secret detail")
    error = await caught(stub, stream=stream)
    assert type(error) is InternalError
    assert "secret" not in error.message
    log_id = error.metadata["log_id"]
    assert log_id in error.message
    (entry,) = [
        found
        for line in log_file.read_text().splitlines()
        if (found := json.loads(line)).get("log_id") == log_id
    ]
    assert "ZeroDivisionError: secret detail" in entry["exception"]
    assert entry["where"].endswith("/WatchJob" if stream else "/GetJob")


async def test_very_long_errors_are_cut_and_still_arrive(served: tuple[Raising, JobServiceStub]) -> None:
    raising, stub = served
    violations = [Violation(f"spec.field{number}", "x" * 100) for number in range(200)]
    raising.error = InvalidRequest("y" * 50_000, violations=violations)
    error = await caught(stub, stream=False)
    assert error.reason == "INVALID_REQUEST"
    assert len(error.message) == MAX_MESSAGE


async def test_a_stream_that_the_client_leaves_is_closed_at_once(
    served: tuple[Raising, JobServiceStub],
) -> None:
    raising, stub = served
    raising.error = None
    call = stub.WatchJob(pb.WatchJobRequest())
    await call.read()
    assert not raising.closed
    call.cancel()
    await eventually(lambda: raising.closed, "the stream goes on for nobody")
