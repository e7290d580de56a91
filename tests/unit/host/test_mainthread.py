"""The queue to pump, the meter, and calls across threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from underpaint.errors import PlaceGone, UnderpaintError
from underpaint.host import mainthread
from underpaint.host.mainthread import HoldMeter, Latest, MainCall, MainThreadQueue


def test_functions_run_in_order_on_the_thread_that_pumps() -> None:
    queue, seen = MainThreadQueue(), []

    def post(number: int) -> None:
        queue.post(lambda: seen.append((number, threading.current_thread())))

    poster = threading.Thread(target=lambda: [post(number) for number in range(5)])
    poster.start()
    poster.join()
    assert queue.pump() == 5
    assert seen == [(number, threading.current_thread()) for number in range(5)]


def test_a_function_that_posts_another_does_not_starve_the_host() -> None:
    queue = MainThreadQueue()

    def again() -> None:
        queue.post(again)

    again()
    assert queue.pump() == 1


def test_pumping_ends_when_done_or_when_time_is_up() -> None:
    queue, done = MainThreadQueue(), []
    threading.Timer(0.05, lambda: queue.post(lambda: done.append(True))).start()
    assert queue.pump_until(lambda: bool(done), timeout=60)
    assert not queue.pump_until(lambda: False, timeout=0.05)


def test_the_meter_keeps_the_longest_hold_and_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=5.0, perf_counter=lambda: clock.now)
    monkeypatch.setattr(mainthread, "time", clock)
    meter = HoldMeter()
    for what, seconds in (("short", 0.0), ("long", 0.03), ("middle", 0.01)):
        with meter.hold(what):
            clock.now += seconds
    assert meter.longest_what == "long"
    assert meter.longest_ms == pytest.approx(30)


def test_the_meter_measures_real_time() -> None:
    meter = HoldMeter()
    with meter.hold("sleeping"):
        time.sleep(0.03)
    assert meter.longest_ms >= 30


def _call(function: Callable[[], int], stop: threading.Event) -> list[int | BaseException]:
    call, outcome = MainCall(function, "test", HoldMeter()), list[int | BaseException]()

    def wait() -> None:
        try:
            outcome.append(call.result(stop))
        except UnderpaintError as error:
            outcome.append(error)

    waiter = threading.Thread(target=wait)
    waiter.start()
    if not stop.is_set():
        call()
    waiter.join(60)
    return outcome


def _gone() -> int:
    raise PlaceGone("The document was closed.")


def test_a_call_brings_back_the_value_or_the_error_of_the_main_thread() -> None:
    assert _call(lambda: 7, threading.Event()) == [7]
    (error,) = _call(_gone, threading.Event())
    assert isinstance(error, PlaceGone)


def test_a_call_gives_up_when_the_host_closes() -> None:
    stop = threading.Event()
    stop.set()
    (error,) = _call(lambda: 7, stop)
    assert isinstance(error, UnderpaintError)
    assert "closing" in str(error)


@pytest.mark.parametrize("updates", [1, 2, 50])
def test_only_the_newest_update_reaches_a_slow_host(updates: int) -> None:
    queue, seen = MainThreadQueue(), []
    latest = Latest(queue.post)
    for number in range(updates):
        latest(lambda number=number: seen.append(number))
    queue.pump()
    assert seen == [updates - 1]
    latest(lambda: seen.append(-1))
    queue.pump()
    assert seen[-1] == -1
