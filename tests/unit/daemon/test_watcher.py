from __future__ import annotations

import asyncio

import pytest

from underpaint.daemon.watcher import MAX_PENDING, Watcher
from underpaint.errors import ShuttingDown
from underpaint.v1.job_service_pb2 import JOB_STATE_RUNNING, JOB_STATE_SUCCEEDED, Job, Preview


def running(sequence: int) -> Job:
    return Job(state=JOB_STATE_RUNNING, sequence=sequence)


async def test_changes_come_in_order_and_before_previews() -> None:
    watcher = Watcher(previews=True)
    watcher.put_preview(Preview(step=1))
    watcher.put(running(1))
    watcher.put(running(2))
    assert [(await watcher.next()).job.sequence for _ in range(2)] == [1, 2]
    assert (await watcher.next()).preview.step == 1


async def test_only_the_newest_preview_is_kept() -> None:
    watcher = Watcher(previews=True)
    for step in (1, 2, 3):
        watcher.put_preview(Preview(step=step))
    assert (await watcher.next()).preview.step == 3
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(watcher.next(), 0.01)


async def test_a_preview_of_a_finished_job_is_dropped() -> None:
    watcher = Watcher(previews=True)
    watcher.put_preview(Preview(step=1))
    watcher.put(Job(state=JOB_STATE_SUCCEEDED, sequence=9))
    assert (await watcher.next()).job.sequence == 9
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(watcher.next(), 0.01)


async def test_previews_are_for_those_who_want_them() -> None:
    watcher = Watcher(previews=False)
    watcher.put_preview(Preview(step=1))
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(watcher.next(), 0.01)


async def test_a_slow_reader_loses_old_steps_never_the_newest_state() -> None:
    watcher = Watcher(previews=False)
    for sequence in range(1000):
        watcher.put(running(sequence))
    seen = [(await watcher.next()).job.sequence for _ in range(MAX_PENDING)]
    assert seen[-1] == 999
    assert seen == sorted(seen)


async def test_closing_ends_a_waiting_stream_after_what_is_pending() -> None:
    watcher = Watcher(previews=False)
    waiting = asyncio.ensure_future(watcher.next())
    await asyncio.sleep(0)
    watcher.put(running(1))
    watcher.close(ShuttingDown("bye"))
    assert (await waiting).job.sequence == 1
    with pytest.raises(ShuttingDown, match="bye"):
        await watcher.next()
