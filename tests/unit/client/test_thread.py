"""The client's own loop: whoever waits for it hears of its end, whenever that comes."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.unit.client.waiting import SOON_S
from underpaint.client.thread import LoopThread, Mailbox
from underpaint.errors import Unavailable


async def items() -> AsyncIterator[int]:
    yield 1
    await asyncio.Event().wait()


@pytest.fixture(autouse=True)
def no_thread_fails(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    fallen: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", fallen.append)
    yield
    assert not fallen, fallen


def test_what_is_handed_over_in_the_loops_last_turn_ends_too() -> None:
    thread, busy = LoopThread(), threading.Event()
    # All in one turn: what is handed over, and the stop before it can be begun.
    thread.loop.call_soon_threadsafe(busy.wait, SOON_S)
    mailbox: Mailbox[int] = Mailbox(thread, items(), str)
    call = thread.submit(asyncio.Event().wait())
    thread.loop.call_soon_threadsafe(thread.loop.stop)
    busy.set()
    assert mailbox.get(time.monotonic() + SOON_S) == 1
    with pytest.raises(Unavailable, match="closed"):
        mailbox.get(time.monotonic() + SOON_S)
    concurrent.futures.wait([call], SOON_S)
    assert call.cancelled()


def test_nothing_is_handed_to_a_loop_that_is_ending_and_it_is_stopped_once() -> None:
    thread, ending, go_on = LoopThread(), threading.Event(), threading.Event()

    async def holds_up_the_end() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ending.set()
            go_on.wait(SOON_S)

    held = thread.submit(holds_up_the_end())
    thread.submit(asyncio.sleep(0)).result(SOON_S)
    stopping = [threading.Thread(target=thread.stop) for _ in range(3)]
    stopping[0].start()
    assert ending.wait(SOON_S)
    for again in stopping[1:]:
        again.start()
    with pytest.raises(Unavailable, match="closed"):
        thread.run(asyncio.sleep(0))
    go_on.set()
    for stopped in stopping:
        stopped.join(SOON_S)
    concurrent.futures.wait([held], SOON_S)
    assert held.cancelled()
    thread.stop()


def test_an_item_and_the_end_reach_the_thread_that_waits() -> None:
    thread = LoopThread()

    async def two() -> AsyncIterator[int]:
        yield 1
        yield 2

    mailbox: Mailbox[int] = Mailbox(thread, two(), str)
    assert [mailbox.get(time.monotonic() + SOON_S) for _ in range(3)] == [1, 2, None]
    thread.stop()
