"""The daemon with its real engine and a tiny model: what the scripted worker cannot show."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.unit.daemon.harness import Caller, Home, connect, image_layout, mask_layout
from underpaint.v1 import job_service_pb2 as pb
from underpaint.v1.server_service_pb2 import GetServerInfoRequest

pytestmark = pytest.mark.slow

RUNNING, SUCCEEDED, CANCELLED = pb.JOB_STATE_RUNNING, pb.JOB_STATE_SUCCEEDED, pb.JOB_STATE_CANCELLED


def make_home(root: Path, models: Path) -> Home:
    home = Home(root)
    del home.environment["UNDERPAINT_WORKER_COMMAND"]
    home.environment |= {"UNDERPAINT_MODEL_ROOTS": str(models), "OMP_NUM_THREADS": "1"}
    return home


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, tiny_root: Path) -> Iterator[Home]:
    home = make_home(tmp_path_factory.mktemp("home"), tiny_root)
    with home.daemon():
        yield home
    shutil.rmtree(home.runtime, ignore_errors=True)


@pytest.fixture
async def caller(home: Home) -> AsyncIterator[Caller]:
    caller = connect(home)
    yield caller
    await caller.channel.close()


LONG = 250
"""Steps of some seconds' work with Heun: a job that is still at it when a test has seen its third step."""


def paint(steps: int, seed: int = 7, scheduler: str = "", edge: int = 64) -> pb.JobSpec:
    size = pb.TextToImage(width_px=edge, height_px=edge)
    return pb.JobSpec(
        prompt="a red brick wall", steps=steps, seed=seed, scheduler=scheduler, text_to_image=size
    )


async def finish(caller: Caller, name: str) -> pb.Job:
    changes = await asyncio.wait_for(caller.watch(name), 300)
    job: pb.Job = changes[-1].job
    return job


async def test_the_same_seed_gives_the_same_picture_and_progress_never_falls(caller: Caller) -> None:
    digests = []
    for seed in (7, 7, 8):
        job = await caller.submit(spec=paint(6, seed))
        changes = [change.job for change in await asyncio.wait_for(caller.watch(job.name), 300)]
        assert changes[-1].state == SUCCEEDED, changes[-1].error
        shares = [change.progress.fraction for change in changes]
        assert shares == sorted(shares)
        assert shares[-1] == 1.0
        assert changes[-1].model_sha256
        digests.append(changes[-1].results[0].sha256)
    assert digests[0] == digests[1] != digests[2]


async def test_inpainting_gives_a_layer_in_the_images_place(caller: Caller) -> None:
    spec = pb.JobSpec(prompt="moss", steps=4, seed=1)
    spec.inpaint.image.blob = await caller.upload(image_layout(72, 56), b"\x80" * (72 * 56 * 4))
    coverage = bytearray(72 * 56)
    for row in range(20, 40):
        coverage[row * 72 + 22 : row * 72 + 51] = b"\xff" * 29
    spec.inpaint.mask.blob = await caller.upload(mask_layout(72, 56), bytes(coverage))
    for ref in (spec.inpaint.image, spec.inpaint.mask):
        ref.x_px, ref.y_px = 11, -5
    done = await finish(caller, (await caller.submit(spec=spec)).name)
    assert done.state == SUCCEEDED, done.error
    assert done.resolved.model == "tiny-inpaint"
    assert done.resolved.inpaint.HasField("feather_px")
    result = done.results[0]
    pixels = await caller.download(result.image.blob)
    assert len(pixels) == (result.layout.stride_bytes or result.layout.width_px * 4) * result.layout.height_px
    assert any(pixels[3::4])


async def test_a_running_job_is_cancelled_within_a_step(caller: Caller) -> None:
    job = await caller.submit(spec=paint(900, scheduler="heun", edge=256))
    reached = await caller.until(job.name, RUNNING, step=3)
    await caller.call(caller.jobs.CancelJob, pb.CancelJobRequest(name=job.name))
    done = await finish(caller, job.name)
    assert done.state == CANCELLED
    assert done.progress.fraction < 0.5, reached.progress


async def test_a_killed_worker_costs_a_restart_and_not_the_picture(home: Home, caller: Caller) -> None:
    alone = await caller.submit(spec=paint(LONG, scheduler="heun"))
    expected = (await finish(caller, alone.name)).results[0].sha256
    job = await caller.submit(spec=paint(LONG, scheduler="heun"))
    await caller.until(job.name, RUNNING, step=3)
    info = await caller.call(caller.server.GetServerInfo, GetServerInfoRequest())
    os.kill(info.workers[0].pid, signal.SIGKILL)
    done = await finish(caller, job.name)
    assert done.state == SUCCEEDED, done.error
    assert done.results[0].sha256 == expected


async def test_a_killed_daemon_loses_no_work(tmp_path: Path, tiny_root: Path) -> None:
    home = make_home(tmp_path, tiny_root)
    process = home.popen()
    home.wait_until_found(process)
    caller = connect(home)
    expected = await finish(caller, (await caller.submit(spec=paint(LONG, scheduler="heun"))).name)
    job = await caller.submit(spec=paint(LONG, scheduler="heun"))
    await caller.until(job.name, RUNNING, step=3)
    process.kill()
    process.communicate()
    await caller.channel.close()
    with home.daemon():
        caller = connect(home)
        done = await finish(caller, job.name)
        assert done.state == SUCCEEDED, done.error
        assert done.results[0].sha256 == expected.results[0].sha256
        first, second = [await caller.download(found.results[0].image.blob) for found in (expected, done)]
        assert first == second
        await caller.channel.close()
    shutil.rmtree(home.runtime, ignore_errors=True)
