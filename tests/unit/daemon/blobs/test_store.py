"""Real files in a real folder."""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.unit.daemon.harness import image_layout
from underpaint.daemon.blobs import store as stores
from underpaint.daemon.blobs.folder import PixelFolder
from underpaint.daemon.blobs.store import BlobStore
from underpaint.daemon.journal import KeptBlob
from underpaint.errors import (
    BlobNotFound,
    BlobStateError,
    InternalError,
    InvalidRequest,
    LimitExceeded,
    StorageFull,
)
from underpaint.v1.blob_service_pb2 import BLOB_STATE_OPEN, BLOB_STATE_SEALED
from underpaint.v1.image_pb2 import ImageLayout

SIZE = 64 * 64 * 4


def make(root: Path, *, quota: int = 10 * SIZE, lease_s: float = 60.0, pixels: int = 1 << 20) -> BlobStore:
    root.mkdir(mode=0o700, exist_ok=True)
    return BlobStore(PixelFolder(root), quota_bytes=quota, lease_s=lease_s, max_pixels=pixels)


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return make(tmp_path / "pixels")


async def test_a_new_blob_has_its_disk_blocks_before_anybody_maps_it(store: BlobStore) -> None:
    before = time.time()
    entry = await store.create(image_layout())
    found = entry.path.stat()
    assert found.st_size == SIZE
    assert found.st_blocks * 512 >= SIZE
    assert found.st_mode & 0o777 == 0o600
    assert entry.message().state == BLOB_STATE_OPEN
    assert int(before) + 60 <= entry.message().lease_expire_time.seconds <= time.time() + 60


async def test_handles_are_random_and_say_nothing(store: BlobStore) -> None:
    first, second = await store.create(image_layout()), await store.create(image_layout())
    assert first.name != second.name
    assert len(first.name) == len("blobs/") + 32


@pytest.mark.parametrize(
    ("layout", "error"),
    [
        (ImageLayout(), InvalidRequest),
        (image_layout(2048, 1024), LimitExceeded),
        (image_layout(600, 600), StorageFull),
    ],
)
async def test_what_is_too_large_is_refused_before_anything_is_allocated(
    store: BlobStore, layout: ImageLayout, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await store.create(layout)
    assert list(store.folder.root.iterdir()) == []
    assert store.used_bytes == 0


async def test_the_quota_says_what_is_needed_and_what_is_left(tmp_path: Path) -> None:
    store = make(tmp_path / "pixels", quota=2 * SIZE + 5)
    first = await store.create(image_layout())
    await store.create(image_layout())
    with pytest.raises(StorageFull, match="UNDERPAINT_PIXEL_QUOTA_BYTES") as raised:
        await store.create(image_layout())
    assert raised.value.metadata == {"needed_bytes": str(SIZE), "available_bytes": "5"}
    await store.release(first.name)
    assert (await store.create(image_layout())).size == SIZE


async def test_a_disk_without_room_is_refused_without_filling_it(
    store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = 10

    monkeypatch.setattr("shutil.disk_usage", lambda path: Usage)
    with pytest.raises(StorageFull, match="UNDERPAINT_PIXEL_DIR") as raised:
        await store.create(image_layout())
    assert raised.value.metadata["available_bytes"] == "10"
    assert list(store.folder.root.iterdir()) == []
    assert store.used_bytes == 0


async def test_a_client_that_leaves_while_room_is_made_leaves_no_file(
    store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on, allocate = threading.Event(), threading.Event(), store.folder.allocate

    def slowly(name: str, size: int) -> Path:
        begun.set()
        go_on.wait(60)
        return allocate(name, size)

    monkeypatch.setattr(store.folder, "allocate", slowly)
    creating = asyncio.create_task(store.create(image_layout()))
    await asyncio.to_thread(begun.wait, 60)
    creating.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await creating
    assert list(store.folder.root.iterdir()) == []
    assert store.used_bytes == 0


async def test_sealed_means_immutable(store: BlobStore) -> None:
    entry = await store.create(image_layout())
    with pytest.raises(BlobStateError, match="seal"):
        store.acquire(entry.name)
    await store.seal(entry.name)
    assert entry.message().state == BLOB_STATE_SEALED
    assert entry.path.stat().st_mode & 0o222 == 0
    with pytest.raises(BlobStateError, match="sealed already"):
        await store.seal(entry.name)


async def test_a_file_that_somebody_truncated_is_not_sealed(store: BlobStore) -> None:
    entry = await store.create(image_layout())
    os.truncate(entry.path, 5)
    with pytest.raises(BlobStateError, match="truncated"):
        await store.seal(entry.name)
    entry.path.unlink()
    with pytest.raises(BlobNotFound):
        await store.seal(entry.name)


async def test_pixels_go_once_no_lease_and_no_job_holds_them(store: BlobStore) -> None:
    entry = await store.create(image_layout())
    await store.seal(entry.name)
    store.acquire(entry.name)
    store.pin([entry.name], "jobs/a")
    for _ in range(3):
        await store.release(entry.name)
    assert entry.path.exists()
    await store.unpin("jobs/a", keep=[entry.name])
    assert entry.path.exists()
    await store.unpin("jobs/a")
    assert not entry.path.exists()
    assert store.used_bytes == 0
    await store.release(entry.name)
    with pytest.raises(BlobNotFound, match="Upload it again"):
        store.get(entry.name)


async def test_leases_run_out_unless_renewed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=1000.0, time=lambda: clock.now)
    monkeypatch.setattr(stores, "time", clock)
    store = make(tmp_path / "pixels", lease_s=15)
    kept, lost = await store.create(image_layout()), await store.create(image_layout())
    clock.now = 1010.0
    assert await store.sweep() == 0
    store.renew(kept.name)
    clock.now = 1018.0
    assert await store.sweep() == 1
    assert kept.path.exists()
    assert not lost.path.exists()


async def test_renewing_needs_a_lease(store: BlobStore) -> None:
    entry = await store.create(image_layout())
    await store.seal(entry.name)
    store.pin([entry.name], "jobs/a")
    await store.release(entry.name)
    with pytest.raises(BlobStateError, match="acquire"):
        store.renew(entry.name)


async def test_pins_are_all_or_none(store: BlobStore) -> None:
    entry = await store.create(image_layout())
    await store.seal(entry.name)
    with pytest.raises(BlobNotFound):
        store.pin([entry.name, "blobs/unknown"], "jobs/a")
    assert not entry.jobs


async def test_a_workers_file_is_adopted_flushed_and_read_only(store: BlobStore) -> None:
    folder = store.folder.output_folder("jobs/abc")
    (folder / "0.raw").write_bytes(b"\7" * SIZE)
    entry = await store.adopt("jobs/abc", folder, "0.raw", image_layout())
    assert entry.path.read_bytes() == b"\7" * SIZE
    assert not (folder / "0.raw").exists()
    assert store.acquire(entry.name).size == SIZE
    store.folder.remove_output_folder("jobs/abc")
    assert [path.name for path in store.folder.root.iterdir()] == [entry.path.name]


@pytest.mark.parametrize(
    "file", ["../x", "/etc/passwd", "", ".", "..", "a/b", "missing", "link", "short", "dir"]
)
async def test_a_worker_cannot_hand_over_anything_but_its_own_files(
    store: BlobStore, tmp_path: Path, file: str
) -> None:
    folder = store.folder.output_folder("jobs/abc")
    target = tmp_path / "secret"
    target.write_bytes(b"s" * SIZE)
    (folder / "link").symlink_to(target)
    (folder / "short").write_bytes(b"s")
    (folder / "dir").mkdir()
    with pytest.raises(InternalError):
        await store.adopt("jobs/abc", folder, file, image_layout())
    assert target.exists()
    assert store.used_bytes == 0


async def test_a_restart_keeps_what_jobs_hold_and_sweeps_only_our_own_orphans(tmp_path: Path) -> None:
    root = tmp_path / "pixels"
    first = make(root)
    kept, orphan = await first.create(image_layout()), await first.create(image_layout())
    first.folder.output_folder("jobs/abc")
    (root / ("0" * 32 + ".probe-answer")).touch()
    (root / "holiday.px").write_text("the user's own")
    (root / "output-notes").mkdir()

    second = make(root)
    gone = KeptBlob("blobs/" + "f" * 32, image_layout(), ("jobs/b",))
    lost = await second.restore([KeptBlob(kept.name, image_layout(), ("jobs/a",)), gone])
    assert lost == [gone.name]
    left = sorted(path.name for path in root.iterdir())
    assert left == sorted([kept.path.name, "holiday.px", "output-notes"])
    assert not orphan.path.exists()
    assert second.acquire(kept.name).jobs == {"jobs/a"}
    assert second.used_bytes == SIZE


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir(mode=0o700)
    command = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", str(folder)]
    if os.name != "posix" or os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("a full file system needs root and mount(8)")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


async def test_a_full_file_system_is_an_error_and_never_a_signal(tiny_disk: Path) -> None:
    store = BlobStore(PixelFolder(tiny_disk), quota_bytes=1 << 30, lease_s=60, max_pixels=1 << 28)
    first = await store.create(image_layout(300, 300))
    second = await store.create(image_layout(300, 300))
    with pytest.raises(StorageFull) as raised:
        await store.create(image_layout(300, 300))
    assert int(raised.value.metadata["available_bytes"]) < 300 * 300 * 4
    assert len(list(tiny_disk.iterdir())) == 2
    second.path.write_bytes(b"\1" * second.size)
    await store.release(first.name)
    assert (await store.create(image_layout(300, 300))).path.exists()


async def test_a_disk_that_lies_about_its_room_is_caught_by_the_allocation(
    tiny_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = 1 << 40

    monkeypatch.setattr("shutil.disk_usage", lambda path: Usage)
    store = BlobStore(PixelFolder(tiny_disk), quota_bytes=1 << 30, lease_s=60, max_pixels=1 << 28)
    with pytest.raises(StorageFull):
        await store.create(image_layout(1000, 1000))
    assert list(tiny_disk.iterdir()) == []
    assert store.used_bytes == 0
