"""The test kit's daemon, seen by another gRPC implementation than the client's."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from underpaint import errors
from underpaint.testing import fake_pictures
from underpaint.testing.fake_daemon import FakeDaemon, Script
from underpaint.types import Alpha, Channels, DataType, GenerateRequest, PixelFormat, RowOrder
from underpaint.v1 import (
    blob_service_pb2,
    blob_service_pb2_grpc,
    job_service_pb2,
    job_service_pb2_grpc,
    status_pb2,
)
from underpaint.wire.discovery import Discovery, discovery_path
from underpaint.wire.headers import STATUS_HEADER, call_metadata
from underpaint.wire.images import layout_for
from underpaint.wire.jobs import request_to_spec
from underpaint.wire.status import status_to_error


@pytest.fixture
async def daemon(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeDaemon]:
    with tempfile.TemporaryDirectory(prefix="up-") as folder:
        monkeypatch.setenv("UNDERPAINT_RUNTIME_DIR", folder)
        async with FakeDaemon(Path(folder)) as running:
            yield running


class Caller:
    """Bare grpcio."""

    def __init__(self, daemon: FakeDaemon, token: str | None = None) -> None:
        self.metadata = tuple(call_metadata(token or daemon.token).items())
        self.channel = grpc.aio.insecure_channel(daemon.address)
        self.jobs: Any = job_service_pb2_grpc.JobServiceStub(self.channel)
        self.blobs: Any = blob_service_pb2_grpc.BlobServiceStub(self.channel)

    async def __aenter__(self) -> Caller:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.channel.close()

    async def submit(self, request: GenerateRequest, request_id: str = "r") -> job_service_pb2.Job:
        message = job_service_pb2.SubmitJobRequest(request_id=request_id, spec=request_to_spec(request))
        reply = await self.jobs.SubmitJob(message, metadata=self.metadata)
        return reply.job  # type: ignore[no-any-return]


def typed(caught: pytest.ExceptionInfo[grpc.aio.AioRpcError]) -> errors.UnderpaintError:
    trailers = dict(caught.value.trailing_metadata() or ())
    return status_to_error(status_pb2.Status.FromString(trailers[STATUS_HEADER]))


async def test_a_job_goes_through_every_stage_with_growing_sequence(daemon: FakeDaemon) -> None:
    daemon.script = Script(steps=3, step_seconds=0.01, notes=("so it goes",))
    async with Caller(daemon) as caller:
        job = await caller.submit(GenerateRequest())
        watch = job_service_pb2.WatchJobRequest(name=job.name, previews=True)
        seen = [message async for message in caller.jobs.WatchJob(watch, metadata=caller.metadata)]
    states = [message.job for message in seen if message.WhichOneof("update") == "job"]
    assert [state.sequence for state in states] == sorted({state.sequence for state in states})
    assert states[-1].state == job_service_pb2.JOB_STATE_SUCCEEDED
    assert list(states[-1].notes) == ["so it goes"]
    assert [message.preview.step for message in seen if message.WhichOneof("update") == "preview"]


async def test_the_token_is_needed_on_every_call(daemon: FakeDaemon) -> None:
    async with Caller(daemon, token="00") as caller:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await caller.submit(GenerateRequest())
        assert isinstance(typed(caught), errors.TokenRefused)
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_scripted_failures_come_once_and_in_order(daemon: FakeDaemon) -> None:
    daemon.failures["SubmitJob"] = [errors.EngineMissing("one"), errors.LimitExceeded("two")]
    async with Caller(daemon) as caller:
        for expected in (errors.EngineMissing, errors.LimitExceeded):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await caller.submit(GenerateRequest())
            assert isinstance(typed(caught), expected)
        assert (await caller.submit(GenerateRequest())).name
    assert daemon.calls == ["SubmitJob"] * 3


async def test_pixels_that_a_script_gives_are_the_picture(daemon: FakeDaemon) -> None:
    daemon.script = Script(steps=1, pixels=b"abcd" * 4)
    async with Caller(daemon) as caller:
        job = await caller.submit(GenerateRequest(width=2, height=2))
        watch = job_service_pb2.WatchJobRequest(name=job.name)
        assert [message async for message in caller.jobs.WatchJob(watch, metadata=caller.metadata)]
        (result,) = daemon.jobs.records[job.name].job.results
        read = blob_service_pb2.ReadBlobRequest(name=result.image.blob)
        pieces = [piece.data async for piece in caller.blobs.ReadBlob(read, metadata=caller.metadata)]
    assert b"".join(pieces) == b"abcd" * 4


async def test_a_stopped_daemon_leaves_its_discovery_file_and_a_closed_one_does_not(
    daemon: FakeDaemon,
) -> None:
    first = daemon.token
    await daemon.stop_async()
    assert discovery_path().exists()
    await daemon.start_async()
    assert daemon.token != first


async def test_an_open_blob_cannot_be_read(daemon: FakeDaemon) -> None:
    async with Caller(daemon) as caller:
        layout = layout_for(PixelFormat(), 4, 4)
        create = blob_service_pb2.CreateBlobRequest(layout=layout, mapped=True)
        created = await caller.blobs.CreateBlob(create, metadata=caller.metadata)
        assert Path(created.path).stat().st_size == 64
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            acquire = blob_service_pb2.AcquireBlobRequest(name=created.blob.name)
            await caller.blobs.AcquireBlob(acquire, metadata=caller.metadata)
        assert isinstance(typed(caught), errors.BlobStateError)
        release = blob_service_pb2.ReleaseBlobRequest(name=created.blob.name)
        await caller.blobs.ReleaseBlob(release, metadata=caller.metadata)
        assert not Path(created.path).exists()


def test_a_synchronous_test_may_use_it_too(tmp_path: Path) -> None:
    with FakeDaemon(tmp_path / "run") as daemon:
        assert isinstance(daemon.address, str)
        daemon.restart()
        assert Discovery(daemon.address, daemon.token, 1, 1, 1, "").token
    assert not (tmp_path / "run" / "daemon.json").exists()


@pytest.mark.parametrize(
    ("format", "expected"),
    [
        (PixelFormat(), bytes((255, 51, 0, 102))),
        (PixelFormat(Channels.BGRA), bytes((0, 51, 255, 102))),
        (PixelFormat(Channels.RGB, alpha=Alpha.NONE), bytes((255, 51, 0))),
        (PixelFormat(Channels.GRAY, alpha=Alpha.NONE), bytes((102,))),
        (PixelFormat(Channels.RGBA, DataType.U16), struct.pack("=4H", 65535, 13107, 0, 26214)),
        (PixelFormat(Channels.RGBA, DataType.F32), struct.pack("=4f", 1.0, 0.2, 0.0, 0.4)),
        (PixelFormat(Channels.RGBA, DataType.F16), struct.pack("=4e", 1.0, 0.2, 0.0, 0.4)),
        (PixelFormat(alpha=Alpha.PREMULTIPLIED), bytes((102, 20, 0, 102))),
    ],
)
def test_a_pixel_lies_as_its_format_says(format: PixelFormat, expected: bytes) -> None:
    assert fake_pictures.pixel(format, (255, 51, 0), alpha=102) == expected


@pytest.mark.parametrize("rows", RowOrder)
@pytest.mark.parametrize("mask_up", [False, True])
def test_a_layer_takes_the_mask_as_alpha_whichever_way_rows_run(rows: RowOrder, mask_up: bool) -> None:
    top, bottom = b"\x00\xff", b"\x80\x00"
    mask = bottom + top if mask_up else top + bottom
    pixels = fake_pictures.layer(PixelFormat(row_order=rows), 2, 2, (1, 2, 3), mask, mask_up)
    upright = top + bottom if rows is RowOrder.TOP_DOWN else bottom + top
    assert pixels[3::4] == upright
