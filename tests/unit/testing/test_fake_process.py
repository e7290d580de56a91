"""The fake daemon in a process of its own: what the suite asks of it, over the real wire."""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

import underpaint
from underpaint.errors import DaemonUnreachable, JobNotFound, OutOfMemory
from underpaint.testing.conformance.codec import decode
from underpaint.testing.conformance.daemon import FakeLink
from underpaint.testing.conformance.patterns import drawing, hard_mask, soft_mask
from underpaint.types import MASK_FORMAT, Bounds, GenerateRequest, Image, JobState, PixelFormat

SOON_S = 60.0


@pytest.fixture(scope="module")
def link() -> Iterator[FakeLink]:
    made = FakeLink.start()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def fresh(link: FakeLink) -> None:
    link.forget()


@pytest.fixture
def client(link: FakeLink, monkeypatch: pytest.MonkeyPatch) -> Iterator[underpaint.Client]:
    monkeypatch.setenv("UNDERPAINT_RUNTIME_DIR", str(link.folder))
    with underpaint.connect(start=False) as connected:
        yield connected


def until(done: object) -> None:
    deadline = time.monotonic() + SOON_S
    while not done():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.01)


BOUNDS = Bounds(3, 5, 20, 16)
PICTURE = Image(20, 16, bytes(range(256)) * 5, PixelFormat(), 3, 5)


def test_what_arrived_with_a_job_can_be_fetched_while_it_runs(
    client: underpaint.Client, link: FakeLink
) -> None:
    link.script(steps=3, hang_at_step=2)
    mask = soft_mask(BOUNDS)
    job = client.submit(GenerateRequest(prompt="moss", image=PICTURE, mask=mask))
    until(lambda: link.jobs()[0]["step"] == 1)
    (found,) = link.jobs()
    assert (found["name"], found["state"], found["operation"]) == (job.name, "running", "inpaint")
    picture, selection = link.arrived(job.name)
    assert (bytes(picture.data), picture.bounds, picture.format) == (PICTURE.data, BOUNDS, PICTURE.format)
    assert (bytes(selection.data), selection.format) == (mask.data, MASK_FORMAT)
    link.go_on()
    assert job.wait(SOON_S).state is JobState.SUCCEEDED


def test_a_drawing_is_another_colour_at_every_place_with_the_mask_as_alpha(
    client: underpaint.Client, link: FakeLink
) -> None:
    link.script(steps=1, drawing=True)
    job = client.submit(GenerateRequest(prompt="moss", image=PICTURE, mask=hard_mask(BOUNDS)))
    job.wait(SOON_S)
    (image,) = job.fetch()
    assert image.bounds == BOUNDS
    assert decode(image) == [drawing(x, y) for y in range(16) for x in range(20)]


def test_it_vanishes_and_comes_back_with_the_jobs_that_it_had(
    client: underpaint.Client, link: FakeLink
) -> None:
    link.script(steps=3, hang_at_step=2)
    job = client.submit(GenerateRequest(prompt="moss", image=PICTURE, mask=hard_mask(BOUNDS)))
    until(lambda: link.jobs()[0]["step"] == 1)
    link.vanish()
    with pytest.raises(DaemonUnreachable), underpaint.connect(start=False):
        pass
    assert [found["name"] for found in link.jobs()] == [job.name]
    link.script(steps=1)
    link.come_back()
    assert job.wait(SOON_S).state is JobState.SUCCEEDED
    job.delete()
    assert link.jobs() == []
    until(lambda: not link.blobs())


def test_forgetting_ends_what_hangs_and_holds_nothing(client: underpaint.Client, link: FakeLink) -> None:
    link.script(steps=3, hang_at_step=2)
    job = client.submit(GenerateRequest(prompt="moss", image=PICTURE, mask=hard_mask(BOUNDS)))
    until(lambda: link.jobs()[0]["step"] == 1)
    assert len(link.blobs()) == 2
    link.forget()
    with pytest.raises(JobNotFound):
        client.get(job.name)
    assert (link.jobs(), link.blobs()) == ([], [])
    assert client.submit(GenerateRequest(prompt="next")).wait(SOON_S).state is JobState.SUCCEEDED


def test_errors_and_delays_are_scripted(client: underpaint.Client, link: FakeLink) -> None:
    link.script(error={"reason": "OUT_OF_MEMORY", "message": "Too large: choose a smaller size."})
    link.delay("SubmitJob", 0.3)
    begun = time.monotonic()
    job = client.submit(GenerateRequest(prompt="moss"))
    assert time.monotonic() - begun >= 0.3
    with pytest.raises(OutOfMemory, match="choose a smaller size"):
        job.wait(SOON_S)
    assert "SubmitJob" in link.calls()


def test_a_request_that_is_none_is_refused_and_the_link_goes_on(link: FakeLink) -> None:
    for request in ("nothing", "_jobs", "__init__"):
        with pytest.raises(RuntimeError, match="there is no request"):
            link.ask(request)
    with pytest.raises(RuntimeError, match="KeyError"):
        link.arrived("jobs/none")
    assert link.jobs() == []


def test_only_who_read_the_secret_may_ask(link: FakeLink) -> None:
    place = link.folder / "control.json"
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    port = json.loads(place.read_text("utf-8"))["port"]
    with socket.create_connection(("127.0.0.1", port), timeout=SOON_S) as stranger:
        stranger.sendall(b"guessed\n" + json.dumps({"do": "stop"}).encode() + b"\n")
        assert stranger.makefile("rb").read() == b""
    assert link.jobs() == []


def test_one_that_runs_already_is_attached_to_and_goes_on(link: FakeLink) -> None:
    second = FakeLink.attach(link.folder)
    assert second.jobs() == []
    second.close()
    assert link.jobs() == []


def test_closing_leaves_no_process_and_no_folder() -> None:
    made = FakeLink.start()
    pid = json.loads((made.folder / "control.json").read_text("utf-8"))["pid"]
    folder = made.folder
    made.close()
    assert not folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_it_ends_with_the_process_that_started_it() -> None:
    script = (
        "from underpaint.testing.conformance.daemon import FakeLink\n"
        "import json, os\n"
        "made = FakeLink.start()\n"
        "print(json.loads((made.folder / 'control.json').read_text())['pid'], made.folder, flush=True)\n"
        "os._exit(9)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=4 * SOON_S, check=False
    )
    pid, folder = done.stdout.split()
    deadline = time.monotonic() + SOON_S
    while time.monotonic() < deadline:
        try:
            # Nobody may be there to collect it.
            if psutil.Process(int(pid)).status() == psutil.STATUS_ZOMBIE:
                break
        except psutil.NoSuchProcess:
            break
        time.sleep(0.05)
    else:
        pytest.fail("the fake daemon outlived its parent")
    shutil.rmtree(folder)
