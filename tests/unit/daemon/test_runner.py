"""A runner and a real worker process that dies under it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from tests.unit.daemon.harness import SCRIPTED_WORKER, SDK, SOON_S, Home, eventually
from underpaint.daemon import runner as runners
from underpaint.daemon.board import Board
from underpaint.daemon.journal import Journal
from underpaint.daemon.live import LiveJob
from underpaint.daemon.patience import Patience
from underpaint.daemon.process import WorkerCommand, WorkerProcess
from underpaint.daemon.runner import Runner
from underpaint.v1.job_service_pb2 import JOB_STATE_QUEUED, Job, JobSpec, TextToImage
from underpaint.worker_v1.worker_service_pb2 import RunJobRequest


@dataclass
class Running:
    """A job that the board says runs, and the worker it is to run on."""

    board: Board
    live: LiveJob
    process: WorkerProcess
    folder: Path

    def runner(self, patience_s: float) -> Runner:
        """Following needs neither blobs nor models nor filters."""
        return Runner(self.board, *(cast(Any, None),) * 5, Patience(patience_s))

    def request(self, prompt: str) -> RunJobRequest:
        """What the worker is told."""
        spec = JobSpec(prompt=prompt, text_to_image=TextToImage(width_px=8, height_px=8))
        return RunJobRequest(job=self.live.name, spec=spec, output_folder=str(self.folder))


@pytest.fixture
async def job(tmp_path: Path, home: Home, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Running]:
    """The process is killed at the end, whatever state it is in."""
    monkeypatch.setenv("PYTHONPATH", str(SDK))
    command = [sys.executable, str(SCRIPTED_WORKER), "--ledger", str(tmp_path / "ledger")]
    process = await WorkerProcess.start(WorkerCommand("auto", command, home.runtime, tmp_path / "worker.log"))
    journal = Journal(tmp_path / "jobs.sqlite")
    try:
        await process.ready(SOON_S)
        await journal.open()
        board = Board(journal)
        live = LiveJob(
            Job(name="jobs/a", state=JOB_STATE_QUEUED, sequence=1), request_id="a", spec_sha256="0"
        )
        await board.add(live, {})
        await board.start(live, "engine")
        yield Running(board, live, process, tmp_path)
        await board.close()
    finally:
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()
        await process.close()
        await journal.close()


@pytest.mark.parametrize("dead", [True, False])
async def test_a_closed_channel_cancels_the_wait_only_while_the_worker_lives(
    job: Running, monkeypatch: pytest.MonkeyPatch, dead: bool
) -> None:
    # Stopped, it answers nothing: the call is still being made when its channel is closed.
    os.kill(job.process.pid, signal.SIGSTOP)
    request = job.request("steps=1000 step_s=0.05")
    following = asyncio.create_task(job.runner(60)._follow(job.live, job.process, request))
    await asyncio.sleep(0.05)
    with monkeypatch.context() as patch:
        patch.setattr(WorkerProcess, "has_ended", property(lambda self: dead))
        await job.process.close()
        done, _ = await asyncio.wait([following], timeout=SOON_S)
    assert done, "it waits for a worker that is gone"
    assert following.cancelled() is not dead
    assert not dead or following.result() is None


async def test_a_worker_that_was_too_busy_to_note_a_cancellation_is_asked_again(
    job: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runners, "NOTE_S", 0.1)
    runner, live = job.runner(600), job.live
    answers: list[bool] = []
    ask = runner._ask_to_cancel

    async def noted(live: LiveJob, process: WorkerProcess) -> bool:
        answers.append(await ask(live, process))
        return answers[-1]

    monkeypatch.setattr(runner, "_ask_to_cancel", noted)
    runner._at[live.name] = job.process
    following = asyncio.create_task(runner._follow(live, job.process, job.request("steps=3 hold=1")))
    await eventually(lambda: live.message.progress.step == 1, "the job does not begin")
    os.kill(job.process.pid, signal.SIGSTOP)
    live.cancel_requested = True
    runner.cancel(live)
    await eventually(lambda: answers, "nobody asked")
    assert not any(answers)
    os.kill(job.process.pid, signal.SIGCONT)
    last = await asyncio.wait_for(following, SOON_S)
    assert last is not None
    assert last.WhichOneof("event") == "cancelled"
