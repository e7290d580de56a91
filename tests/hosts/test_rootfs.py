"""Finding the mirror, and saying what to do where the hosts' folder cannot be built."""

from __future__ import annotations

import contextlib
import os
import platform
import threading
from pathlib import Path

import pytest

from tests.hosts import rootfs
from tests.hosts.mirror import HostsUnavailable, archives, debian_mirror
from tests.hosts.sandbox import HostSandbox, delete

DEB822 = """\
Types: deb
# a comment within
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main

Types: deb-src
URIs: http://sources.example/debian
Suites: bookworm
"""
ONE_LINE = """\
# deb http://old.example/debian bookworm main
deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian bookworm main
deb http://tools.example/apt stable main
"""


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An apt folder on a Debian bookworm."""
    (tmp_path / "sources.list.d").mkdir()
    debian = {"ID": "debian", "VERSION_CODENAME": "bookworm"}
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: debian)
    return tmp_path


@pytest.mark.parametrize(("name", "text"), [("debian.sources", DEB822), ("debian.list", ONE_LINE)])
def test_the_mirror_is_the_one_that_apt_uses(apt: Path, name: str, text: str) -> None:
    (apt / "sources.list.d" / name).write_text(text)
    assert debian_mirror(apt) == "http://mirror.example/debian"


def test_archives_of_sources_are_not_mirrors(apt: Path) -> None:
    (apt / "sources.list.d/debian.sources").write_text(DEB822)
    assert [address for address, _ in archives(apt)] == ["http://mirror.example/debian"]


def test_a_list_of_mirrors_is_followed_to_its_first(apt: Path) -> None:
    (apt / "mirrors.list").write_text("http://first.example/debian\nhttp://second.example/debian\n")
    (apt / "sources.list").write_text(f"deb mirror+file:{apt}/mirrors.list bookworm main\n")
    assert debian_mirror(apt) == "http://first.example/debian"


def test_apt_without_an_archive_of_debian_is_told_so(apt: Path) -> None:
    with pytest.raises(HostsUnavailable, match="add one to apt's sources"):
        debian_mirror(apt)


def test_another_system_is_named_and_told_to_use_debian(apt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fedora = {"ID": "fedora", "PRETTY_NAME": "Fedora Linux 43"}
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: fedora)
    with pytest.raises(HostsUnavailable, match=r"Fedora Linux 43: use a Debian"):
        debian_mirror(apt)


def test_somebody_who_is_not_root_is_told_to_use_sudo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNDERPAINT_HOSTS_DIR", str(tmp_path / "none"))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(HostsUnavailable, match="needs root .*: run the tests with sudo"):
        rootfs.build()


def test_a_folder_of_another_recipe_does_not_count_as_built(tmp_path: Path) -> None:
    assert not rootfs.is_built(tmp_path)
    (tmp_path / rootfs.STAMP).write_text("an older recipe\n")
    assert not rootfs.is_built(tmp_path)
    (tmp_path / rootfs.STAMP).write_text(rootfs.recipe() + "\n")
    assert rootfs.is_built(tmp_path)


DROPS_ONCE = """\
set -eu
if [ ! -e "$MIRROR" ]; then
    touch "$MIRROR" "$TARGET/half"
    exit 100
fi
touch "$TARGET/whole"
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts need root")
def test_a_build_whose_connection_drops_is_begun_anew_in_an_empty_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rootfs, "INSTALL", DROPS_ONCE)
    monkeypatch.setattr(rootfs, "FIRST_PAUSE_S", 0.0)
    target = rootfs._installed(tmp_path / "trixie", str(tmp_path / "mirror"))
    assert [path.name for path in target.iterdir()] == ["whole"]
    assert list(tmp_path.glob("trixie.building-*")) == [target]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts need root")
def test_a_mirror_that_always_fails_is_told_with_the_end_of_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rootfs, "INSTALL", "echo no route to $MIRROR; exit 100")
    monkeypatch.setattr(rootfs, "FIRST_PAUSE_S", 0.0)
    with pytest.raises(HostsUnavailable, match="no route to nowhere"):
        rootfs._installed(tmp_path / "trixie", "nowhere")
    assert list(tmp_path.glob("trixie.building-*")) == []


def test_a_folder_that_is_out_of_date_goes_only_when_nobody_runs_a_host_from_it(tmp_path: Path) -> None:
    (tmp_path / "trixie.building-1").mkdir()
    old = tmp_path / "trixie.old-1"
    old.mkdir()
    with HostSandbox(old, tmp_path / "sandbox"):
        rootfs._delete_leftovers(tmp_path / "trixie")
        assert [path.name for path in tmp_path.glob("trixie.*")] == [old.name]
    rootfs._delete_leftovers(tmp_path / "trixie")
    assert not old.exists()


def test_what_still_tidies_up_in_a_folder_does_not_keep_it_from_being_deleted(tmp_path: Path) -> None:
    folder = tmp_path / "home"
    folder.mkdir()

    def linger() -> None:
        for number in range(300):
            with contextlib.suppress(OSError):
                (folder / str(number)).touch()

    threads = [threading.Thread(target=linger) for _ in range(3)]
    for thread in threads:
        thread.start()
    delete(folder)
    for thread in threads:
        thread.join()
    assert not folder.exists()
