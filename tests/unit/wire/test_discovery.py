"""The files through which client and daemon meet."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from underpaint.errors import Unusable
from underpaint.wire import discovery, paths

FOUND = discovery.Discovery("unix:/run/d.sock", "ab" * 32, 4242, 1, 1, "0.1")


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for kind in ("RUNTIME", "STATE", "CONFIG"):
        monkeypatch.setenv(f"UNDERPAINT_{kind}_DIR", str(tmp_path / kind.lower()))
    monkeypatch.delenv("UNDERPAINT_PIXEL_DIR", raising=False)
    return tmp_path


def test_what_the_daemon_writes_the_client_reads() -> None:
    assert discovery.read_discovery() is None
    discovery.write_discovery(FOUND)
    assert discovery.read_discovery() == FOUND


def test_only_this_user_can_read_the_token() -> None:
    discovery.write_discovery(FOUND)
    assert stat.S_IMODE(discovery.discovery_path().stat().st_mode) == 0o600
    assert stat.S_IMODE(paths.runtime_dir().stat().st_mode) == 0o700


def test_writing_again_leaves_one_file() -> None:
    discovery.write_discovery(FOUND)
    discovery.write_discovery(FOUND)
    assert [path.name for path in paths.runtime_dir().iterdir()] == ["daemon.json"]


def test_only_the_daemon_that_wrote_it_removes_it() -> None:
    discovery.write_discovery(FOUND)
    discovery.remove_discovery(FOUND.pid + 1)
    assert discovery.read_discovery() == FOUND
    discovery.remove_discovery(FOUND.pid)
    assert discovery.read_discovery() is None
    discovery.remove_discovery(FOUND.pid)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"address": 1}', '"x"', "\x00"])
def test_a_damaged_file_counts_as_none(content: str) -> None:
    paths.private_dir(paths.runtime_dir())
    discovery.discovery_path().write_text(content)
    assert discovery.read_discovery() is None


def test_a_newer_daemons_further_fields_do_not_matter() -> None:
    discovery.write_discovery(FOUND)
    content = json.loads(discovery.discovery_path().read_text())
    discovery.discovery_path().write_text(json.dumps({**content, "color": "blue"}))
    assert discovery.read_discovery() == FOUND


def test_the_launcher_keeps_its_command() -> None:
    assert discovery.read_launcher() is None
    discovery.write_launcher(["/opt/u p/bin/underpaint", "serve"])
    assert discovery.read_launcher() == discovery.Launcher(("/opt/u p/bin/underpaint", "serve"))
    discovery.launcher_path().write_text('{"command": [1]}')
    assert discovery.read_launcher() is None


def test_each_folder_has_its_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert paths.pixel_dir() == tmp_path / "state" / "pixels"
    monkeypatch.setenv("UNDERPAINT_PIXEL_DIR", str(tmp_path / "big"))
    assert paths.pixel_dir() == tmp_path / "big"
    monkeypatch.delenv("UNDERPAINT_STATE_DIR")
    assert "underpaint" in paths.state_dir().parts


def test_a_folder_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(Unusable, match="chmod 700"):
        paths.private_dir(folder)


def test_a_link_is_no_private_folder(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(Unusable, match="not a link"):
        paths.private_dir(tmp_path / "link")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="needs another user's folder")
def test_anothers_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0o700)
    os.chown(folder, 12345, 12345)
    with pytest.raises(Unusable, match="another user"):
        paths.private_dir(folder)
