"""A client that finds no daemon starts one."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.client.waiting import SOON_S, eventually
from underpaint import errors
from underpaint.client import connect, link, starter
from underpaint.client.starter import clean_environment
from underpaint.wire.discovery import Discovery, read_discovery, write_discovery, write_launcher
from underpaint.wire.paths import log_path

PROGRAM = str(Path(__file__).with_name("startable.py"))
ROOT = str(Path(__file__).parents[3])


@pytest.fixture
def startable(folder: Path) -> Iterator[Path]:
    """A launcher that starts a fake daemon; whatever was started is ended."""
    write_launcher([sys.executable, PROGRAM])
    yield folder
    for birth in births(folder):
        with contextlib.suppress(ProcessLookupError):
            os.kill(birth["pid"], signal.SIGTERM)
            wait_for_end(birth["pid"])


def births(folder: Path) -> list[dict[str, Any]]:
    try:
        # The last line may be on its way still.
        whole, _, _ = (folder / "births").read_text().rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]
    except FileNotFoundError:
        return []


def wait_for_end(pid: int) -> None:
    deadline = time.monotonic() + SOON_S
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return
        if state == "Z":
            return
        time.sleep(0.02)
    raise AssertionError(f"process {pid} did not end")


def test_a_daemon_is_started_detached_and_the_next_client_finds_it(startable: Path) -> None:
    with connect(timeout=SOON_S) as client:
        pid = client.server_info().pid
    (birth,) = births(startable)
    assert birth["pid"] == pid
    assert birth["session"] != os.getsid(0)
    assert birth["parent"] != os.getpid()
    assert "serving" in log_path().read_text()
    assert log_path().stat().st_mode & 0o077 == 0
    with connect(start=False) as client:
        assert client.server_info().pid == pid


def test_two_clients_that_start_at_once_end_with_one_daemon(
    startable: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNDERPAINT_TEST_SLOW", "0.5")
    # Those that found the lock taken wait for the other one, however long its Python takes to start.
    monkeypatch.setattr("underpaint.client.starting._GRACE", SOON_S)
    pids: list[int] = []

    def start() -> None:
        with connect(timeout=SOON_S) as client:
            pids.append(client.server_info().pid)

    threads = [threading.Thread(target=start) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * SOON_S)
    assert len(pids) == 3
    assert len(set(pids)) == 1
    assert len(births(startable)) == 1


def test_a_stale_discovery_file_does_not_keep_a_daemon_from_starting(startable: Path) -> None:
    write_discovery(Discovery(f"unix:{startable}/gone.sock", "00", 999_999, 1, 1, "0"))
    with connect(timeout=SOON_S) as client:
        assert client.server_info().pid != 999_999


def test_a_daemon_that_was_killed_is_started_again_by_the_next_call(startable: Path) -> None:
    with connect(timeout=SOON_S) as client:
        first = client.server_info().pid
        os.kill(first, signal.SIGKILL)
        wait_for_end(first)
        assert client.server_info().pid != first
    assert len(births(startable)) == 2


def test_the_hosts_own_environment_stays_behind(startable: Path) -> None:
    # From a process of its own: the loader of this one has read its LD_ variables already.
    hostile = {"PYTHONPATH": ROOT, "PYTHONHASHSEED": "7", "QT_PLUGIN_PATH": "/q", "LD_LIBRARY_PATH": "/q"}
    code = "import underpaint; underpaint.connect(timeout=60).close()"
    environment = {**os.environ, **hostile, "XDG_DATA_HOME": "/x"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    (birth,) = births(startable)
    assert not set(hostile) & birth.keys()
    assert birth["XDG_DATA_HOME"] == "/x"
    assert birth["UNDERPAINT_RUNTIME_DIR"] == str(startable)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("PYTHONHOME", False),
        ("LD_PRELOAD", False),
        ("QT_QPA_PLATFORM", False),
        ("GI_TYPELIB_PATH", False),
        ("GIMP3_DATADIR", False),
        ("BLENDER_SYSTEM_PYTHON", False),
        ("VIRTUAL_ENV", False),
        ("PATH", True),
        ("HOME", True),
        ("XDG_RUNTIME_DIR", True),
        ("CUDA_VISIBLE_DEVICES", True),
        ("UNDERPAINT_STATE_DIR", True),
        ("HF_HOME", True),
    ],
)
def test_the_environment_is_cleaned_by_name(name: str, kept: bool) -> None:
    assert (name in clean_environment({name: "x"})) is kept


def test_without_a_launcher_the_error_says_how_to_install(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(folder / "host-program"))
    with pytest.raises(errors.DaemonUnreachable, match="underpaint hosts install"):
        connect()


def test_beside_a_pip_installation_no_launcher_is_needed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "underpaint").touch()
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    assert starter.find_launcher().command == (str(folder / "underpaint"), "serve")


def test_a_launcher_of_a_removed_installation_says_what_it_looked_for(folder: Path) -> None:
    write_launcher(["/nowhere/underpaint", "serve"])
    with pytest.raises(errors.DaemonUnreachable, match="/nowhere/underpaint serve"):
        connect()


def test_a_daemon_that_fails_is_quoted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("underpaint.client.starting._GRACE", 0.3)
    write_launcher([sys.executable, "-c", "import sys; sys.exit('No module named grpc')"])
    begun = time.monotonic()
    with pytest.raises(errors.DaemonUnreachable, match="No module named grpc"):
        connect(timeout=4 * SOON_S)
    assert time.monotonic() - begun < 3 * SOON_S


def test_a_daemon_that_takes_too_long_is_reported_in_time(
    startable: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNDERPAINT_TEST_SLOW", "600")
    with pytest.raises(errors.DaemonUnreachable, match="underpaint doctor"):
        connect(timeout=0.5)
    # It is on its way all the same.
    eventually(lambda: births(startable))


def test_the_log_does_not_grow_for_ever(startable: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starter, "_LOG_LIMIT", 100)
    log_path().parent.mkdir(parents=True, mode=0o700)
    log_path().write_text("x" * 101)
    connect(timeout=SOON_S).close()
    assert "xxx" not in log_path().read_text()
    assert log_path().with_suffix(".log.1").read_text() == "x" * 101


def test_a_daemon_that_still_holds_the_lock_on_its_way_out_is_waited_for(
    startable: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("underpaint.client.starting._GRACE", 0.5)
    # We may be slow to let go of the lock.
    monkeypatch.setattr("underpaint.client.starting._LAUNCHES", 50)
    with (startable / "daemon.lock").open("a+") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)

        def leave() -> None:
            eventually(lambda: log_path().exists() and "holds the lock" in log_path().read_text())
            fcntl.lockf(lock, fcntl.LOCK_UN)

        leaving = threading.Thread(target=leave)
        leaving.start()
        with connect(timeout=SOON_S) as client:
            assert client.server_info()
        leaving.join(SOON_S)
    assert len(births(startable)) == 1


def test_shutting_down_starts_no_daemon(startable: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Nobody else starts one here.
    monkeypatch.setattr(link, "_COMEBACK", 0.2)
    client = connect(timeout=SOON_S)
    pid = client.server_info().pid
    os.kill(pid, signal.SIGTERM)
    wait_for_end(pid)
    with pytest.raises(errors.DaemonUnreachable):
        client.shutdown()
    client.close()
    assert len(births(startable)) == 1
    assert read_discovery() is None
