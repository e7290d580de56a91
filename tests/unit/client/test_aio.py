"""The asyncio face, in a loop of the caller's."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.client.waiting import SOON_S, eventually_async
from underpaint import errors
from underpaint.client import AsyncClient, connect_async, link
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
    assert (await job.wait(SOON_S, on_update=seen.append)).state is JobState.SUCCEEDED
    assert seen[-1].state is JobState.SUCCEEDED
    (image,) = await job.fetch()
    assert image.width == 8
    await job.delete()
    with pytest.raises(errors.JobNotFound):
        await job.status()


async def test_calls_run_at_the_same_time(client: AsyncClient, running: FakeDaemon) -> None:
    running.delays["ListModels"] = 600
    calls = [asyncio.create_task(client.models()) for _ in range(8)]
    # None of them is answered before all have arrived.
    await eventually_async(lambda: running.calls.count("ListModels") == 8)
    assert not any(call.done() for call in calls)
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)


async def test_watching_yields_previews_between_states(client: AsyncClient, running: FakeDaemon) -> None:
    running.script = Script(hang_at_step=2)
    job = await client.submit(GenerateRequest())
    kinds: list[type] = []
    async for item in job.watch(previews=True):
        kinds.append(type(item))
        if isinstance(item, Preview):
            running.go_on()
    assert set(kinds) == {JobUpdate, Preview}
    assert kinds[-1] is JobUpdate


async def test_a_watcher_that_leaves_ends_its_stream(client: AsyncClient, running: FakeDaemon) -> None:
    running.script = Script(hang_at_step=1)
    job = await client.submit(GenerateRequest())
    async with contextlib.aclosing(job.watch()) as items:
        async for _ in items:
            break
    with pytest.raises(TimeoutError):
        await job.wait(0.1)
    running.go_on()
    assert (await job.wait(SOON_S)).state is JobState.SUCCEEDED


async def test_a_timeout_around_a_broken_call_is_not_confused(
    client: AsyncClient, running: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nobody starts the daemon again here.
    monkeypatch.setattr(link, "_COMEBACK", 0.2)

    async def broken() -> None:
        running.delays["ListModels"] = 60
        with pytest.raises(errors.DaemonUnreachable):
            await client.models()
        await asyncio.sleep(0.05)

    task = asyncio.create_task(broken())
    await eventually_async(lambda: "ListModels" in running.calls)
    await running.stop_async()
    await asyncio.wait_for(task, SOON_S)
    assert getattr(task, "cancelling", lambda: 0)() == 0


async def test_a_cancelled_call_is_cancelled(client: AsyncClient, running: FakeDaemon) -> None:
    running.delays["ListModels"] = 60
    task = asyncio.create_task(client.models())
    await eventually_async(lambda: "ListModels" in running.calls)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    running.delays.clear()
    assert (await client.models()).models
