from __future__ import annotations

import asyncio
import threading

import pytest

from underpaint.daemon.tasks import to_its_end


async def test_who_is_cancelled_waits_for_the_thread_that_works_for_him() -> None:
    begun, go_on, ended = threading.Event(), threading.Event(), []

    def work() -> None:
        begun.set()
        go_on.wait(60)
        ended.append("the thread")

    async def ask() -> None:
        try:
            await to_its_end(work)
        finally:
            ended.append("the asking")

    asking = asyncio.create_task(ask())
    await asyncio.to_thread(begun.wait, 60)
    for _ in range(3):
        asking.cancel()
        await asyncio.sleep(0.01)
    assert not asking.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert ended == ["the thread", "the asking"]


async def test_a_result_and_an_error_come_through() -> None:
    assert await to_its_end(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        await to_its_end(lambda: 1 // 0)
