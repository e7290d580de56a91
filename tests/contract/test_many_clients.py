"""Several client processes at one daemon at the same time: each gets its own picture, and only that."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.installation import Installation
from underpaint.client import Client, connect
from underpaint.errors import JobCancelled
from underpaint.types import MASK_FORMAT, GenerateRequest, Image, JobState

EDGE = 64
LONG = 900
OTHERS = ((1, "tiny"), (2, "tiny-inpaint"), (3, "tiny"))
"""Seeds and models; a model of nine channels fills a hole, the other one starts from words."""

PROCESS = textwrap.dedent(
    """
    import sys
    import underpaint
    from tests.contract.test_many_clients import request_for
    from underpaint.errors import JobCancelled

    with underpaint.connect(start=False) as client:
        print("ready", flush=True)
        sys.stdin.readline()
        job = client.submit(request_for(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
        print(job.name, flush=True)
        try:
            job.wait(300)
        except JobCancelled:
            print("cancelled")
        else:
            (image,) = job.fetch()
            print(bytes(image.data).hex())
            del image
        job.delete()
    """
)


def request_for(seed: int, model: str, steps: int = 5) -> GenerateRequest:
    """The same request in every process; with `LONG` steps it is at work for half a minute alone."""
    if model == "tiny":
        long = steps == LONG
        return GenerateRequest(
            prompt="old brick wall",
            model=model,
            seed=seed,
            steps=steps,
            width=256 if long else EDGE,
            height=256 if long else EDGE,
            scheduler="heun" if long else "",
        )
    rgba = bytes(v for y in range(EDGE) for x in range(EDGE) for v in (x * 4, y * 4, 90, 255))
    hole = bytes(255 * (20 < x < 45 and 13 < y < 51) for y in range(EDGE) for x in range(EDGE))
    return GenerateRequest(
        prompt="moss",
        model=model,
        seed=seed,
        steps=steps,
        image=Image(EDGE, EDGE, rgba),
        mask=Image(EDGE, EDGE, hole, MASK_FORMAT),
    )


@dataclass
class ClientProcess:
    """One of them, waiting for `go`."""

    process: subprocess.Popen[str]

    def hears(self) -> str:
        """The next line that it says."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        assert line, self.process.stderr and self.process.stderr.read()
        return line

    def go(self) -> None:
        """Lets it submit its job."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()


@contextmanager
def processes(installation: Installation, *work: tuple[int, str, int]) -> Iterator[list[ClientProcess]]:
    """Connected, and none has submitted yet; ended whatever happens."""
    started = [
        ClientProcess(
            subprocess.Popen(
                [sys.executable, "-c", PROCESS, *(str(value) for value in one)],
                env=installation.environ,
                cwd=Path(__file__).parents[2],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        for one in work
    ]
    try:
        assert [one.hears() for one in started] == ["ready"] * len(work)
        yield started
    finally:
        for one in started:
            one.process.kill()
            one.process.communicate()


@pytest.fixture
def client(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    for name, value in installation.places.items():
        monkeypatch.setenv(name, value)
    with connect(start=False) as connected:
        yield connected


def alone(client: Client, seed: int, model: str) -> bytes:
    """The picture when nobody else asks for one."""
    job = client.submit(request_for(seed, model))
    job.wait(120)
    (image,) = job.fetch()
    found = bytes(image.data)
    del image
    job.delete()
    return found


def same(heard: str, expected: bytes) -> bool:
    """Within one level: a batch adds numbers up in another order."""
    found = bytes.fromhex(heard)
    return len(found) == len(expected) and all(abs(a - b) <= 1 for a, b in zip(found, expected, strict=True))


def test_every_process_gets_the_picture_that_it_would_get_alone(
    installation: Installation, client: Client
) -> None:
    expected = [alone(client, seed, model) for seed, model in OTHERS]
    assert len(set(expected)) == len(OTHERS)
    with processes(installation, *((seed, model, 5) for seed, model in OTHERS)) as started:
        for one in started:
            one.go()
        names = [one.hears() for one in started]
        found = [one.hears() for one in started]
        assert [one.process.wait(120) for one in started] == [0] * len(OTHERS)
    assert all(map(same, found, expected))
    assert len(set(names)) == len(OTHERS)
    assert client.jobs() == []


def test_cancelling_the_job_of_one_process_leaves_the_others(
    installation: Installation, client: Client
) -> None:
    expected = [alone(client, seed, model) for seed, model in OTHERS]
    with processes(installation, (9, "tiny", LONG), *((seed, model, 5) for seed, model in OTHERS)) as started:
        long, *others = started
        long.go()
        name = long.hears()
        for one in others:
            one.go()
        for one in others:
            one.hears()
        assert client.get(name).state in (JobState.QUEUED, JobState.RUNNING)
        client.cancel(name)
        assert long.hears() == "cancelled"
        assert all(map(same, [one.hears() for one in others], expected))
        assert [one.process.wait(120) for one in started] == [0] * 4


def test_a_process_that_dies_leaves_its_job_to_whoever_asks_for_it(
    installation: Installation, client: Client
) -> None:
    with processes(installation, (1, "tiny", 40), (2, "tiny-inpaint", 5)) as (dying, other):
        dying.go()
        name = dying.hears()
        other.go()
        other.hears()
        dying.process.kill()
        assert same(other.hears(), alone(client, 2, "tiny-inpaint"))
    job = client.job(name)
    assert job.wait(120).state is JobState.SUCCEEDED
    (image,) = job.fetch()
    assert (image.width, image.height) == (EDGE, EDGE)
    del image
    job.delete()


def test_anybody_may_cancel_and_whoever_waits_is_told(installation: Installation, client: Client) -> None:
    job = client.submit(request_for(5, "tiny", LONG))
    done = installation.run("jobs", "cancel", job.name)
    assert done.returncode == 0, done.stdout + done.stderr
    with pytest.raises(JobCancelled):
        job.wait(120)
    job.delete()
