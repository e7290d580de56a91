"""The board over a real journal: what is written last is what stays."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from underpaint.daemon import board as boards
from underpaint.daemon.board import Board
from underpaint.daemon.journal import Journal
from underpaint.daemon.live import LiveJob
from underpaint.v1.job_service_pb2 import JOB_STATE_QUEUED, JOB_STATE_SUCCEEDED, Job


@pytest.mark.parametrize("turns", range(5))
async def test_progress_that_is_saved_late_never_undoes_a_final_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, turns: int
) -> None:
    monkeypatch.setattr(boards, "SAVE_EVERY_S", 0.0)
    journal = Journal(tmp_path / "jobs.sqlite")
    await journal.open()
    board = Board(journal)
    live = LiveJob(Job(name="jobs/a", state=JOB_STATE_QUEUED, sequence=1), request_id="a", spec_sha256="0")
    await board.add(live, {})
    await board.start(live, "engine")
    board.step(live, 0, 1, 0.5)
    for _ in range(turns):  # The save is under way for another number of the loop's turns each time.
        await asyncio.sleep(0)
    await board.succeed(live, [], lambda job: None)
    await board.close()
    stored = await journal.get("jobs/a")
    left = await journal.unfinished()
    await journal.close()
    assert stored is not None
    assert (stored.state, left) == (JOB_STATE_SUCCEEDED, [])
