from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from underpaint.daemon.queue import JobQueue
from underpaint.v1.job_service_pb2 import PRIORITY_BATCH, PRIORITY_INTERACTIVE, PRIORITY_LIVE

PRIORITIES = (PRIORITY_LIVE, PRIORITY_INTERACTIVE, PRIORITY_BATCH)


@given(st.lists(st.sampled_from(PRIORITIES), max_size=40))
def test_live_before_interactive_before_batch_and_first_come_first_served_inside(asked: list[int]) -> None:
    queue = JobQueue()
    for ordinal, priority in enumerate(asked):
        queue.add(f"jobs/{ordinal}", priority, ordinal)
    assert len(queue) == len(asked)
    expected = [number for priority in PRIORITIES for number, given in enumerate(asked) if given == priority]
    assert [queue.take() for _ in asked] == [f"jobs/{number}" for number in expected]
    assert queue.take() is None


def test_a_job_that_comes_back_takes_its_old_place() -> None:
    queue = JobQueue()
    for ordinal in (1, 2, 3):
        queue.add(f"jobs/{ordinal}", PRIORITY_BATCH, ordinal)
    first = queue.take()
    assert first == "jobs/1"
    queue.add(first, PRIORITY_BATCH, 1)
    assert list(queue) == ["jobs/1", "jobs/2", "jobs/3"]


def test_nobody_is_overtaken_by_a_job_that_fits_better() -> None:
    queue = JobQueue()
    queue.add("jobs/1", PRIORITY_LIVE, 1)
    queue.add("jobs/2", PRIORITY_LIVE, 2)
    assert queue.take(lambda name: name == "jobs/2") is None
    queue.discard("jobs/1")
    queue.discard("jobs/1")
    assert queue.take(lambda name: name == "jobs/2") == "jobs/2"
