"""Finding the mirror, and saying what to do where the hosts' folder cannot be built."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import pytest

from tests.hosts import rootfs
from tests.hosts.mirror import HostsUnavailable, archives, debian_mirror

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
