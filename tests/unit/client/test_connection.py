"""Finding the daemon, losing it, finding it again."""

from __future__ import annotations

import dataclasses
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.client.waiting import SOON_S, During
from underpaint import errors
from underpaint.client import Client, connect
from underpaint.testing.fake_daemon import FakeDaemon, Script
from underpaint.types import GenerateRequest, Image, JobState, JobUpdate
from underpaint.wire.discovery import read_discovery, write_discovery

REQUEST = GenerateRequest(prompt="old brick wall", seed=7)


def test_without_a_daemon_the_error_says_what_to_run(folder: Path) -> None:
    with pytest.raises(errors.DaemonUnreachable, match="Run `underpaint serve`"):
        connect(start=False)


def test_a_discovery_file_left_by_a_killed_daemon_is_no_daemon(folder: Path, daemon: FakeDaemon) -> None:
    daemon.stop()
    with pytest.raises(errors.DaemonUnreachable, match="does not answer"):
        connect(start=False)


def test_it_talks_over_loopback_tcp_too(folder: Path) -> None:
    with FakeDaemon(folder, tcp=True) as daemon, connect(start=False) as client:
        assert daemon.address.startswith("tcp:127.0.0.1:")
        assert client.submit(REQUEST).wait(SOON_S).state is JobState.SUCCEEDED


def test_a_certain_daemon_can_be_named(daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNDERPAINT_RUNTIME_DIR", "/nowhere")
    with connect(address=daemon.address, token=daemon.token) as client:
        assert client.server_info().version == "0.0.0.fake"
    with pytest.raises(errors.TokenRefused):
        connect(address=daemon.address, token="00" * 32)
    with pytest.raises(errors.InvalidRequest, match="both"):
        connect(address=daemon.address)
    with pytest.raises(errors.DaemonUnreachable):
        connect(address="unix:/nowhere/daemon.sock", token="00")


@pytest.mark.parametrize("address", ["http://localhost", "tcp:localhost", "unix:", "tcp:h:p"])
def test_an_address_that_makes_no_sense_is_refused(address: str) -> None:
    with pytest.raises(errors.InvalidRequest, match="unix:"):
        connect(address=address, token="00")


def test_no_token_travels_to_another_machine_in_the_clear() -> None:
    with pytest.raises(errors.InvalidRequest, match="ssh"):
        connect(address="tcp:192.0.2.1:4000", token="00")


def test_a_wrong_token_in_the_file_is_a_refusal_after_a_second_look(daemon: FakeDaemon) -> None:
    found = read_discovery()
    assert found is not None
    write_discovery(dataclasses.replace(found, token="00" * 32))
    with pytest.raises(errors.TokenRefused):
        connect(start=False)
    assert daemon.calls.count("GetServerInfo") == 2


def test_a_token_that_changed_meanwhile_is_read_again_once(client: Client, daemon: FakeDaemon) -> None:
    daemon.token = "ab" * 32
    found = read_discovery()
    assert found is not None
    write_discovery(dataclasses.replace(found, token=daemon.token))
    assert client.models().models


@pytest.mark.parametrize(("protocols", "who"), [((2, 3), "update this"), ((0, 0), "update the daemon")])
def test_too_far_apart_says_which_side_to_update(folder: Path, protocols: tuple[int, int], who: str) -> None:
    with FakeDaemon(folder) as daemon:
        daemon.protocols = protocols
        with pytest.raises(errors.ProtocolUnsupported, match="update") as caught:
            connect(start=False)
    assert caught.value.metadata["minimum"] == str(protocols[0])
    if protocols == (0, 0):
        assert who in caught.value.message


def test_calls_survive_a_daemon_that_was_restarted(client: Client, daemon: FakeDaemon) -> None:
    job = client.submit(REQUEST)
    job.wait(SOON_S)
    for _ in range(3):
        daemon.restart()
        assert client.get(job.name).state is JobState.SUCCEEDED
    assert job.fetch()[0].width == 64


def test_watching_survives_a_daemon_that_is_restarted_in_mid_job(client: Client, daemon: FakeDaemon) -> None:
    daemon.script = Script(steps=6, hang_at_step=4)
    updates: list[JobUpdate] = []
    again: list[JobUpdate] = []

    def on_update(update: JobUpdate) -> None:
        updates.append(update)
        if daemon.calls.count("WatchJob") == 1 and update.progress.step == 3:
            daemon.script = Script(steps=6, hang_at_step=1)
            daemon.restart()
        elif daemon.calls.count("WatchJob") > 1 and update.state is JobState.RUNNING:
            again.append(update)
            daemon.go_on()

    final = client.submit(REQUEST).wait(SOON_S, on_update=on_update)
    assert final.state is JobState.SUCCEEDED
    assert daemon.calls.count("WatchJob") >= 2
    assert again[0].progress.step < 3, "the job began again"
    assert [update.sequence for update in updates] == sorted(update.sequence for update in updates)


def test_a_daemon_that_stays_away_is_reported_with_the_way_out(daemon: FakeDaemon) -> None:
    daemon.script = Script(hang_at_step=1)
    with connect(start=False, reconnect_for=0.5) as client:
        job = client.submit(REQUEST)
        said = r"went away while jobs/.* Run `underpaint serve`"
        with During(daemon, "WatchJob", daemon.stop), pytest.raises(errors.DaemonUnreachable, match=said):
            job.wait(SOON_S)


def test_pixels_that_a_restart_forgot_are_uploaded_again(client: Client, daemon: FakeDaemon) -> None:
    daemon.failures["SubmitJob"] = [errors.BlobNotFound("gone")]
    job = client.submit(GenerateRequest(image=Image(8, 8, bytes(range(256)))))
    assert job.wait(SOON_S).state is JobState.SUCCEEDED


def test_submitting_is_repeated_with_the_same_request_id_when_the_answer_got_lost(
    daemon: FakeDaemon,
) -> None:
    with connect(start=False) as client:
        daemon.delays["SubmitJob"] = 600
        with During(daemon, "SubmitJob", daemon.restart):
            job = client.submit(REQUEST)
        assert daemon.calls.count("SubmitJob") == 2
        assert job.wait(SOON_S).state is JobState.SUCCEEDED
        assert [update.name for update in client.jobs()] == [job.name]


def test_a_daemon_that_never_answers_is_not_waited_for_for_ever(folder: Path) -> None:
    path = folder / "deaf.sock"
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(path))
        deaf.listen()
        with pytest.raises(errors.DaemonUnreachable):
            connect(address=f"unix:{path}", token="00", timeout=0.3)


def test_something_else_on_the_socket_is_no_daemon(folder: Path) -> None:
    path = folder / "web.sock"

    def babble() -> None:
        connection, _ = web.accept()
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        connection.close()

    with socket.socket(socket.AF_UNIX) as web:
        web.bind(str(path))
        web.listen()
        threading.Thread(target=babble, daemon=True).start()
        with pytest.raises(errors.DaemonUnreachable):
            connect(address=f"unix:{path}", token="00", timeout=5)


def test_after_closing_every_call_says_so_and_downloaded_pixels_stay(daemon: FakeDaemon) -> None:
    client = connect(start=False)
    ref = client.upload(Image(8, 8, bytes(range(256))))
    image = client.download(ref)
    client.close()
    client.close()
    with pytest.raises(errors.Unavailable, match="closed"):
        client.models()
    assert bytes(image.data) == bytes(range(256))


def test_a_call_under_way_ends_when_the_client_is_closed(daemon: FakeDaemon) -> None:
    daemon.delays["ListModels"] = 600
    client = connect(start=False)
    with During(daemon, "ListModels", client.close), pytest.raises(errors.UnderpaintError):
        client.models()


@pytest.fixture
def ctrl_c() -> Iterator[Callable[[], None]]:
    """What Ctrl-C does in a terminal; what runs in the background of a shell ignores it from the start."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield lambda: os.kill(os.getpid(), signal.SIGINT)
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_ends_the_waiting_and_the_client_works_on(
    daemon: FakeDaemon, ctrl_c: Callable[[], None]
) -> None:
    daemon.script = Script(hang_at_step=1)
    with connect(start=False) as client:
        job = client.submit(REQUEST)
        with pytest.raises(KeyboardInterrupt), During(daemon, "WatchJob", ctrl_c):
            job.wait()
        job.cancel()
        daemon.delays["ListModels"] = 600
        with pytest.raises(KeyboardInterrupt), During(daemon, "ListModels", ctrl_c):
            client.models()
        assert client.server_info()
