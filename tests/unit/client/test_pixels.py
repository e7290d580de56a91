"""Pixels in and out, over mapped files and over chunks."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.client.waiting import SOON_S, During, eventually, eventually_async
from underpaint import errors
from underpaint.client import Client, connect, leases, link
from underpaint.pixels.chunks import CHUNK
from underpaint.testing.fake_blobs import FakeBlobs
from underpaint.testing.fake_daemon import FakeDaemon
from underpaint.types import Channels, DataType, GenerateRequest, Image, JobState, PixelFormat
from underpaint.v1 import blob_service_pb2


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that renews long before half of a lease's life is over: no test has time for that."""
    monkeypatch.setattr(leases, "_renew_at", lambda blob: time.time() + 0.05)


@pytest.mark.parametrize(("life", "expected"), [(600.0, 300.0), (8.0, 4.0), (0.1, 0.2), (-5.0, 0.2)])
def test_a_lease_is_renewed_when_half_of_its_life_is_over(
    life: float, expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "time", SimpleNamespace(time=lambda: 1000.0))
    blob = blob_service_pb2.Blob(name="blobs/a")
    blob.lease_expire_time.FromMilliseconds(int((1000.0 + life) * 1000))
    assert leases._renew_at(blob) == pytest.approx(1000.0 + expected)


@pytest.mark.parametrize("edge", [1, 511, 512, 700])
def test_what_goes_up_comes_down(client: Client, edge: int) -> None:
    pixels = os.urandom(edge * edge * 4)
    ref = client.upload(Image(edge, edge, pixels, x=3, y=-4))
    image = client.download(ref)
    assert (image.width, image.height, image.x, image.y) == (edge, edge, 3, -4)
    assert image.data == pixels
    assert memoryview(image.data).readonly


def test_any_contiguous_buffer_will_do_and_a_longer_one_is_cut(client: Client) -> None:
    floats = memoryview(bytearray(os.urandom(8 * 8 * 16 + 64))).cast("f")
    format = PixelFormat(Channels.RGBA, DataType.F32)
    image = client.download(client.upload(Image(8, 8, floats, format)))
    assert image.data == bytes(floats.cast("B")[: 8 * 8 * 16])
    with pytest.raises(errors.InvalidRequest, match="contiguous"):
        client.upload(Image(8, 8, memoryview(bytes(1024))[::2]))


def test_the_probe_decides_and_not_the_address(folder: Path) -> None:
    for mapped in (True, False):
        with FakeDaemon(folder, mapped=mapped) as daemon, connect(start=False) as client:
            image = client.download(client.upload(Image(8, 8, bytes(256))))
            assert ("WriteBlob" in daemon.calls) == (not mapped)
            assert ("ReadBlob" in daemon.calls) == (not mapped)
            assert daemon.calls.count("BeginProbe") == 1
            assert image.data == bytes(256)


def test_chunks_can_be_forced_by_argument_and_by_environment(
    daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(start=False, pixels="chunks") as client:
        client.upload(Image(8, 8, bytes(256)))
    monkeypatch.setenv("UNDERPAINT_PIXELS", "chunks")
    with connect(start=False) as client:
        client.upload(Image(8, 8, bytes(256)))
    assert "BeginProbe" not in daemon.calls
    assert daemon.calls.count("WriteBlob") == 2
    monkeypatch.setenv("UNDERPAINT_PIXELS", "carrier-pigeon")
    with pytest.raises(errors.InvalidRequest, match="auto, chunks"):
        connect(start=False)


def test_a_file_that_cannot_be_opened_after_all_goes_in_chunks(daemon: FakeDaemon) -> None:
    with connect(start=False) as client:
        first = client.upload(Image(8, 8, bytes(256)))
        hidden = daemon.blobs.found[first.blob].path
        hidden.rename(hidden.with_suffix(".hidden"))
        with pytest.raises(errors.UnderpaintError):
            client.download(first)
        assert "ReadBlob" in daemon.calls
        hidden.with_suffix(".hidden").rename(hidden)
        assert client.download(first).data == bytes(256)


def test_a_map_outlives_the_daemon_and_its_file(daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch) -> None:
    # Closing looks for the daemon once more, to give leases back.
    monkeypatch.setattr(link, "_COMEBACK", 0.2)
    with connect(start=False) as client:
        pixels = os.urandom(256 * 256 * 4)
        image = client.download(client.upload(Image(256, 256, pixels)))
        daemon.stop()
        for path in daemon.pixels.iterdir():
            path.unlink()
        assert image.data == pixels


@pytest.mark.usefixtures("hasty")
def test_a_lease_is_renewed_while_the_pixels_are_in_use_and_then_given_back(daemon: FakeDaemon) -> None:
    with connect(start=False) as client:
        ref = client.upload(Image(8, 8, bytes(256)))
        image = client.download(ref)
        view = memoryview(image.data)[10:20]
        client.release(ref)
        del image
        # Each one extends the lease.
        before = daemon.blobs.renewals
        eventually(lambda: daemon.blobs.renewals >= before + 5)
        assert daemon.blobs.found[ref.blob].leases == 1
        assert ref.blob in daemon.blobs.found
        assert bytes(view) == bytes(10)
        view.release()
        del view
        eventually(lambda: not list(daemon.pixels.iterdir()))


@pytest.mark.usefixtures("hasty")
def test_each_of_several_leases_on_one_blob_is_renewed(daemon: FakeDaemon) -> None:
    with connect(start=False) as client:
        ref = client.upload(Image(8, 8, bytes(256)))
        images = [client.download(ref) for _ in range(3)]
        eventually(lambda: daemon.blobs.renewals >= 4)
        assert daemon.blobs.found[ref.blob].leases == 4
        assert all(image.data == bytes(256) for image in images)


@pytest.mark.usefixtures("hasty")
def test_pixels_are_renewed_while_the_submission_of_their_job_waits(folder: Path) -> None:
    daemon = FakeDaemon(folder)
    submit = daemon.jobs.SubmitJob

    async def later(request: Any, context: Any) -> Any:
        await eventually_async(lambda: daemon.blobs.renewals >= 3)
        return await submit(request, context)

    daemon.jobs.SubmitJob = later  # type: ignore[method-assign]
    with daemon, connect(start=False) as client:
        job = client.submit(GenerateRequest(image=Image(8, 8, bytes(range(256)))))
        assert job.wait(SOON_S).state is JobState.SUCCEEDED


def test_closing_gives_every_lease_back(daemon: FakeDaemon) -> None:
    with connect(start=False) as client:
        refs = [client.upload(Image(8, 8, bytes(256))) for _ in range(3)]
        kept = client.download(refs[0])
    assert list(daemon.pixels.iterdir()) == []
    assert bytes(kept.data) == bytes(256)


def test_over_the_quota_is_storage_full_and_leaves_nothing(folder: Path) -> None:
    for pixels in ("auto", "chunks"):
        with (
            FakeDaemon(folder, quota=CHUNK) as daemon,
            connect(start=False, pixels=pixels) as client,
        ):
            with pytest.raises(errors.StorageFull) as caught:
                client.upload(Image(1024, 1024, bytes(4 * CHUNK)))
            assert caught.value.metadata["needed_bytes"] == str(4 * CHUNK)
            assert list(daemon.pixels.iterdir()) == []
            client.upload(Image(8, 8, bytes(256)))


@pytest.fixture
def small_disk(folder: Path) -> Iterator[Path]:
    """The pixel folder on a real file system of 8 MiB."""
    disk = folder / "pixels"
    disk.mkdir(mode=0o700)
    command = ["mount", "-t", "tmpfs", "-o", "size=8m,mode=700", "tmpfs", str(disk)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs the right to mount a file system")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.parametrize("pixels", ["auto", "chunks"])
def test_a_full_file_system_is_storage_full_and_never_a_signal(
    small_disk: Path, folder: Path, pixels: str
) -> None:
    image = Image(1024, 1024, os.urandom(4 * CHUNK))
    with FakeDaemon(folder), connect(start=False, pixels=pixels) as client:
        kept = client.upload(image)
        with pytest.raises(errors.StorageFull, match="UNDERPAINT_PIXEL_DIR"):
            client.upload(Image(1024, 2048, bytes(8 * CHUNK)))
        assert client.download(kept).data == image.data
        client.release(kept)
        eventually(lambda: not list(small_disk.iterdir()))
        client.upload(image)


def test_an_upload_that_the_daemon_refuses_in_the_middle_is_typed(daemon: FakeDaemon) -> None:
    with connect(start=False, pixels="chunks") as client:
        daemon.failures["WriteBlob"] = [errors.StorageFull("no room")]
        with pytest.raises(errors.StorageFull, match="no room"):
            client.upload(Image(2048, 2048, bytes(16 * CHUNK)))
        assert client.upload(Image(8, 8, bytes(256))).blob


def test_an_upload_survives_a_connection_that_breaks_in_the_middle(daemon: FakeDaemon) -> None:
    with connect(start=False, pixels="chunks") as client:
        daemon.delays["WriteBlob"] = 600
        pixels = os.urandom(16 * CHUNK)
        with During(daemon, "WriteBlob", daemon.restart):
            ref = client.upload(Image(2048, 2048, pixels))
        assert daemon.calls.count("WriteBlob") == 2
        assert client.download(ref).data == pixels


def test_a_probe_never_writes_to_a_file_that_is_not_a_probes(folder: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"do not touch my diary, whatever!")
    assert precious.stat().st_size == 32

    class Lying(FakeBlobs):
        async def BeginProbe(self, request: Any, context: Any) -> Any:  # noqa: N802
            reply = await super().BeginProbe(request, context)
            reply.answer_path = str(precious)
            return reply

    daemon = FakeDaemon(folder)
    daemon.blobs.__class__ = Lying
    with daemon, connect(start=False) as client:
        client.upload(Image(8, 8, bytes(256)))
    assert "WriteBlob" in daemon.calls
    assert precious.read_bytes() == b"do not touch my diary, whatever!"
