"""Files that several processes map."""

from __future__ import annotations

import gc
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from underpaint.errors import BlobNotFound, BlobStateError, StorageFull
from underpaint.pixels import files


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("needs the right to mount a file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_an_allocated_file_has_its_size_its_blocks_and_one_reader(tmp_path: Path) -> None:
    path = tmp_path / "blob"
    files.allocate(path, 3_000_000)
    found = path.stat()
    assert found.st_size == 3_000_000
    assert found.st_blocks * 512 >= 3_000_000
    assert stat.S_IMODE(found.st_mode) == 0o600


def test_allocating_never_takes_a_file_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / "blob"
    path.write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        files.allocate(path, 10)
    assert path.read_bytes() == b"mine"


def test_a_full_file_system_is_an_error_and_leaves_nothing(small_disk: Path) -> None:
    with pytest.raises(StorageFull, match="UNDERPAINT_PIXEL_DIR") as caught:
        files.allocate(small_disk / "blob", 2 << 20)
    assert caught.value.metadata["needed_bytes"] == str(2 << 20)
    assert int(caught.value.metadata["available_bytes"]) <= 1 << 20
    assert list(small_disk.iterdir()) == []


def test_writing_to_a_file_without_blocks_on_a_full_disk_is_an_error_not_a_signal(small_disk: Path) -> None:
    path = small_disk / "sparse"
    with path.open("wb") as file:
        file.truncate(2 << 20)
    with pytest.raises(StorageFull):
        files.write_into(path, bytes(2 << 20))


def test_without_fallocate_zeros_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "posix_fallocate")
    path = tmp_path / "blob"
    files.allocate(path, (1 << 20) + 5)
    assert path.stat().st_size == (1 << 20) + 5
    assert path.stat().st_blocks * 512 >= 1 << 20


def test_what_one_side_writes_the_other_maps(tmp_path: Path) -> None:
    path = tmp_path / "blob"
    pixels = bytearray(os.urandom(100_000))
    files.allocate(path, len(pixels))
    files.write_into(path, pixels)
    view = files.map_readonly(path, len(pixels))
    assert view.readonly
    assert view == pixels
    with files.map_writable(path, len(pixels)) as target:
        target[0:4] = b"\1\2\3\4"
    assert bytes(view[:4]) == b"\1\2\3\4"


def test_an_unlinked_file_stays_readable_where_it_is_mapped(tmp_path: Path) -> None:
    path = tmp_path / "blob"
    path.write_bytes(b"abcd" * 5000)
    view = files.map_readonly(path, 20_000)
    path.unlink()
    part = view[4:8]
    del view
    gc.collect()
    assert bytes(part) == b"abcd"


def test_the_map_goes_with_its_last_view(tmp_path: Path) -> None:
    path = tmp_path / "blob"
    path.write_bytes(bytes(1 << 20))
    view = files.map_readonly(path, 1 << 20)
    assert str(path) in Path("/proc/self/maps").read_text()
    del view
    gc.collect()
    assert str(path) not in Path("/proc/self/maps").read_text()


@pytest.mark.parametrize("open_", ["map_readonly", "map_writable", "write_into"])
def test_a_file_that_is_too_short_is_never_mapped(tmp_path: Path, open_: str) -> None:
    path = tmp_path / "blob"
    path.write_bytes(bytes(10))
    with pytest.raises(BlobStateError, match="10 bytes instead of 11"):
        use(open_, path)


@pytest.mark.parametrize("open_", ["map_readonly", "map_writable", "write_into"])
def test_a_file_that_is_gone_says_what_to_do(tmp_path: Path, open_: str) -> None:
    with pytest.raises(BlobNotFound, match="Upload"):
        use(open_, tmp_path / "nothing")


@pytest.mark.skipif(sys.platform != "linux", reason="counts this process's open files")
def test_no_file_stays_open(tmp_path: Path) -> None:
    path = tmp_path / "blob"
    files.allocate(path, 100)
    for _ in range(3):
        files.write_into(path, bytes(100))
        files.map_readonly(path, 100)
        with pytest.raises(BlobStateError):
            files.map_readonly(path, 101)
    gc.collect()
    # By what they lead to: other tests' sockets may close at any time.
    assert [leads for leads in open_files() if leads.startswith(str(path))] == []
    with path.open("rb"):
        assert str(path) in open_files()


def open_files() -> list[str]:
    """What this process's descriptors lead to."""
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found.append(str(entry.readlink()))
    return found


def use(open_: str, path: Path) -> None:
    if open_ == "map_readonly":
        files.map_readonly(path, 11)
    elif open_ == "write_into":
        files.write_into(path, bytes(11))
    else:
        with files.map_writable(path, 11):
            pass
