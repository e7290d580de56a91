"""The asyncio face, in a loop of the caller's."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from underpaint import errors
from underpaint.client import AsyncClient, connect_async
from underpaint.testing.fake_daemon import FakeDaemon, Script
from underpaint.types import GenerateRequest, Image, JobState, JobUpdate, Preview


@pytest.fixture
async def running(folder: Path) -> AsyncIterator[FakeDaemon]:
    async with FakeDaemon(folder) as daemon:
        yield daemon


@pytest.fixture
async def client(running: FakeDaemon) -> AsyncIterator[AsyncClient]:
    async with await connect_async(start=False) as connected:
        yield connected


async def test_a_job_from_request_to_picture(client: AsyncClient) -> None:
    job = await client.submit(GenerateRequest(prompt="moss", image=Image(8, 8, bytes(256))))
    seen: list[JobUpdate] = []
    assert (await job.wait(10, on_update=seen.append)).state is JobState.SUCCEEDED
    assert seen[-1].state is JobState.SUCCEEDED
    (image,) = await job.fetch()
    assert image.width == 8
    await job.delete()
    with pytest.raises(errors.JobNotFound):
        await job.status()


async def test_calls_run_at_the_same_time(client: AsyncClient, running: FakeDaemon) -> None:
    running.delays["ListModels"] = 0.5
    begun = asyncio.get_running_loop().time()
    await asyncio.gather(*(client.models() for _ in range(8)))
    assert asyncio.get_running_loop().time() - begun < 2.0


async def test_watching_yields_previews_between_states(client: AsyncClient, running: FakeDaemon) -> None:
    running.script = Script(step_seconds=0.01)
    job = await client.submit(GenerateRequest())
    kinds = {type(item) async for item in job.watch(previews=True)}
    assert kinds == {JobUpdate, Preview}


async def test_a_watcher_that_leaves_ends_its_stream(client: AsyncClient, running: FakeDaemon) -> None:
    running.script = Script(hang_at_step=1)
    job = await client.submit(GenerateRequest())
    async with contextlib.aclosing(job.watch()) as items:
        async for _ in items:
            break
    with pytest.raises(TimeoutError):
        await job.wait(0.1)
    running.go_on()
    assert (await job.wait(10)).state is JobState.SUCCEEDED


async def test_a_timeout_around_a_broken_call_is_not_confused(
    client: AsyncClient, running: FakeDaemon
) -> None:
    async def broken() -> None:
        running.delays["ListModels"] = 60
        with pytest.raises(errors.DaemonUnreachable):
            await client.models()
        await asyncio.sleep(0.05)

    task = asyncio.create_task(broken())
    await asyncio.sleep(0.2)
    await running.stop_async()
    await asyncio.wait_for(task, 5)
    assert getattr(task, "cancelling", lambda: 0)() == 0


async def test_a_cancelled_call_is_cancelled(client: AsyncClient, running: FakeDaemon) -> None:
    running.delays["ListModels"] = 60
    task = asyncio.create_task(client.models())
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    running.delays.clear()
    assert (await client.models()).models
