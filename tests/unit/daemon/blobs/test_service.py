"""The pixel plane as clients see it: both ways, over the real server."""

from __future__ import annotations

import asyncio
import mmap
import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.daemon.harness import SOON_S, Caller, Home, connect, eventually, image_layout
from underpaint.errors import BlobNotFound, BlobStateError, StorageFull
from underpaint.v1 import blob_service_pb2 as pb

CHUNK = 1 << 20


async def create(caller: Caller, *, mapped: bool = False, edge: int = 64) -> pb.CreateBlobResponse:
    request = pb.CreateBlobRequest(layout=image_layout(edge, edge), mapped=mapped)
    response: pb.CreateBlobResponse = await caller.call(caller.blobs.CreateBlob, request)
    return response


async def arrived(path: str, start: bytes) -> None:
    """Waits until the daemon has written the first bytes of an upload."""
    await eventually(lambda: Path(path).read_bytes().startswith(start), "nothing arrived")


async def write(caller: Caller, *messages: pb.WriteBlobRequest) -> pb.WriteBlobResponse:
    async def stream() -> AsyncIterator[pb.WriteBlobRequest]:
        for message in messages:
            yield message

    response: pb.WriteBlobResponse = await caller.call(caller.blobs.WriteBlob, stream())
    return response


async def test_mapped_and_chunked_pixels_are_the_same_pixels(shared: Caller) -> None:
    created = await create(shared, mapped=True)
    pixels = secrets.token_bytes(created.blob.size_bytes)
    with Path(created.path).open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        mapped[:] = pixels
        sealed = await shared.call(shared.blobs.SealBlob, pb.SealBlobRequest(name=created.blob.name))
    assert sealed.blob.state == pb.BLOB_STATE_SEALED
    acquired = await shared.call(shared.blobs.AcquireBlob, pb.AcquireBlobRequest(name=created.blob.name))
    assert Path(acquired.path).read_bytes() == pixels
    assert await shared.download(created.blob.name) == pixels


async def test_chunks_go_up_and_come_down(shared: Caller) -> None:
    layout = image_layout(1000, 700)
    pixels = secrets.token_bytes(1000 * 700 * 4)
    name = await shared.upload(layout, pixels)
    assert await shared.download(name) == pixels


async def test_a_path_is_told_only_to_those_who_map(shared: Caller) -> None:
    assert (await create(shared)).path == ""


@pytest.mark.parametrize(
    ("offsets", "sizes", "message"),
    [
        ([5], [10], "expected 0"),
        ([0, 5], [10, 10], "expected 10"),
        ([0, 20], [10, 10], "expected 10"),
        ([0], [64 * 64 * 4 + 1], "the blob has 16384"),
        ([0], [10], "10 of 16384 bytes arrived"),
    ],
)
async def test_chunks_come_in_order_without_gaps_and_as_many_as_said(
    shared: Caller, offsets: list[int], sizes: list[int], message: str
) -> None:
    name = (await create(shared)).blob.name
    pieces = zip(offsets, sizes, strict=True)
    with pytest.raises(BlobStateError, match=message):
        await write(
            shared,
            *(pb.WriteBlobRequest(name=name, offset_bytes=at, data=bytes(size)) for at, size in pieces),
        )
    # The blob stays open: the client starts again.
    again = await write(shared, pb.WriteBlobRequest(name=name, data=bytes(64 * 64 * 4)))
    assert again.blob.state == pb.BLOB_STATE_SEALED
    with pytest.raises(BlobStateError, match="sealed already"):
        await write(shared, pb.WriteBlobRequest(name=name, data=bytes(64 * 64 * 4)))


async def test_a_chunk_is_at_most_one_mebibyte(shared: Caller) -> None:
    name = (await create(shared, edge=700)).blob.name
    with pytest.raises(BlobStateError, match="at most 1048576"):
        await write(shared, pb.WriteBlobRequest(name=name, data=bytes(CHUNK + 1)))


async def test_an_upload_without_a_name_or_without_a_message_is_refused(shared: Caller) -> None:
    with pytest.raises(BlobNotFound):
        await write(shared, pb.WriteBlobRequest(data=b"x"))
    with pytest.raises(BlobStateError, match="named no blob"):
        await write(shared)


async def test_only_one_upload_writes_to_a_blob_and_nobody_seals_it_meanwhile(shared: Caller) -> None:
    created = await create(shared, mapped=True)
    name, go_on = created.blob.name, asyncio.Event()

    async def slowly() -> AsyncIterator[pb.WriteBlobRequest]:
        yield pb.WriteBlobRequest(name=name, data=b"\1" * 100)
        await go_on.wait()
        yield pb.WriteBlobRequest(offset_bytes=100, data=b"\1" * (64 * 64 * 4 - 100))

    upload = asyncio.create_task(shared.call(shared.blobs.WriteBlob, slowly()))
    await arrived(created.path, b"\1" * 100)
    with pytest.raises(BlobStateError, match="another upload"):
        await write(shared, pb.WriteBlobRequest(name=name, data=b"\2"))
    with pytest.raises(BlobStateError, match="still being uploaded"):
        await shared.call(shared.blobs.SealBlob, pb.SealBlobRequest(name=name))
    go_on.set()
    assert (await upload).blob.state == pb.BLOB_STATE_SEALED
    assert await shared.download(name) == b"\1" * (64 * 64 * 4)


async def test_an_upload_that_breaks_off_can_be_begun_again(shared: Caller) -> None:
    created = await create(shared, mapped=True)
    name = created.blob.name

    async def breaks() -> AsyncIterator[pb.WriteBlobRequest]:
        yield pb.WriteBlobRequest(name=name, data=b"\1" * 100)
        await asyncio.Event().wait()

    call = shared.blobs.WriteBlob(breaks(), metadata=shared.metadata)
    await arrived(created.path, b"\1" * 100)
    call.cancel()
    until = asyncio.get_running_loop().time() + SOON_S
    while True:
        try:
            await write(shared, pb.WriteBlobRequest(name=name, data=b"\2" * (64 * 64 * 4)))
            break
        except BlobStateError:
            assert asyncio.get_running_loop().time() < until
            await asyncio.sleep(0.02)
    assert await shared.download(name) == b"\2" * (64 * 64 * 4)


async def test_a_blob_can_be_read_to_its_end_while_it_is_let_go(shared: Caller) -> None:
    pixels = secrets.token_bytes(1200 * 1200 * 4)
    name = await shared.upload(image_layout(1200, 1200), pixels)
    call = shared.blobs.ReadBlob(pb.ReadBlobRequest(name=name), metadata=shared.metadata)
    pieces = aiter(call)
    first = await anext(pieces)
    await shared.call(shared.blobs.ReleaseBlob, pb.ReleaseBlobRequest(name=name))
    rest = [piece.data async for piece in pieces]
    assert first.data + b"".join(rest) == pixels
    with pytest.raises(BlobNotFound):
        await shared.download(name)


async def test_a_released_blob_leaves_no_file_and_releasing_is_idempotent(
    running: Home, caller: Caller
) -> None:
    name = (await create(caller, mapped=True)).blob.name
    renewed = await caller.call(caller.blobs.RenewBlob, pb.RenewBlobRequest(name=name))
    assert renewed.blob.HasField("lease_expire_time")
    for _ in range(2):
        await caller.call(caller.blobs.ReleaseBlob, pb.ReleaseBlobRequest(name=name))
    assert not list(running.pixels.iterdir())
    for method, request in (
        (caller.blobs.SealBlob, pb.SealBlobRequest(name=name)),
        (caller.blobs.AcquireBlob, pb.AcquireBlobRequest(name=name)),
        (caller.blobs.RenewBlob, pb.RenewBlobRequest(name=name)),
    ):
        with pytest.raises(BlobNotFound):
            await caller.call(method, request)


async def test_leases_that_nobody_renews_end(home: Home) -> None:
    with home.daemon(UNDERPAINT_LEASE_S="1"):
        caller = connect(home)
        created = await create(caller, mapped=True)
        assert Path(created.path).parent == home.pixels
        await eventually(lambda: not list(home.pixels.iterdir()), "the lease lasts for ever")
        with pytest.raises(BlobNotFound):
            await caller.call(caller.blobs.RenewBlob, pb.RenewBlobRequest(name=created.blob.name))
        await caller.channel.close()


async def test_a_probe_over_the_wire(shared: Caller) -> None:
    for honest in (True, False):
        probe = await shared.call(shared.blobs.BeginProbe, pb.BeginProbeRequest())
        challenge = Path(probe.challenge_path).read_bytes()
        answer = os.urandom(len(challenge))
        if honest:
            with Path(probe.answer_path).open("r+b") as file:
                file.write(answer)
        request = pb.FinishProbeRequest(probe_id=probe.probe_id, challenge=challenge, answer=answer)
        assert (await shared.call(shared.blobs.FinishProbe, request)).mapped is honest


async def test_a_message_of_megabytes_is_refused_and_the_daemon_goes_on(shared: Caller) -> None:
    name = (await create(shared, edge=1500)).blob.name
    with pytest.raises(AssertionError, match="RESOURCE_EXHAUSTED"):
        await write(shared, pb.WriteBlobRequest(name=name, data=bytes(5 << 20)))
    assert (await create(shared)).blob.state == pb.BLOB_STATE_OPEN


async def test_the_quota_holds_over_the_wire(home: Home) -> None:
    with home.daemon(UNDERPAINT_PIXEL_QUOTA_BYTES=str(3 * 64 * 64 * 4)):
        caller = connect(home)
        outcomes = await asyncio.gather(*(create(caller) for _ in range(6)), return_exceptions=True)
        assert sum(isinstance(outcome, StorageFull) for outcome in outcomes) == 3
        assert len(list(home.pixels.iterdir())) == 3
        await caller.channel.close()
