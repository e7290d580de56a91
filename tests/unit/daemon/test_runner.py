"""A runner and a real worker process that dies under it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
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


@pytest.mark.parametrize("dead", [True, False])
async def test_a_closed_channel_cancels_the_wait_only_while_the_worker_lives(
    tmp_path: Path, home: Home, monkeypatch: pytest.MonkeyPatch, dead: bool
) -> None:
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
        # Following needs neither blobs nor models nor filters.
        runner = Runner(board, *(cast(Any, None),) * 4, Patience(60))
        spec = JobSpec(prompt="steps=1000 step_s=0.05", text_to_image=TextToImage(width_px=8, height_px=8))
        request = RunJobRequest(job=live.name, spec=spec, output_folder=str(tmp_path))
        # Stopped, it answers nothing: the call is still being made when its channel is closed.
        os.kill(process.pid, signal.SIGSTOP)
        following = asyncio.create_task(runner._follow(live, process, request))
        await asyncio.sleep(0.05)
        monkeypatch.setattr(WorkerProcess, "has_ended", property(lambda self: dead))
        await process.close()
        done, _ = await asyncio.wait([following], timeout=SOON_S)
        assert done, "it waits for a worker that is gone"
        assert following.cancelled() is not dead
        assert not dead or following.result() is None
        await board.close()
    finally:
        monkeypatch.undo()
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()
        await process.close()
        await journal.close()


async def test_a_worker_that_was_too_busy_to_note_a_cancellation_is_asked_again(
    tmp_path: Path, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(SDK))
    monkeypatch.setattr(runners, "NOTE_S", 0.1)
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
        runner = Runner(board, *(cast(Any, None),) * 4, Patience(600))
        answers: list[bool] = []
        ask = runner._ask_to_cancel

        async def noted(live: LiveJob, process: WorkerProcess) -> bool:
            answers.append(await ask(live, process))
            return answers[-1]

        monkeypatch.setattr(runner, "_ask_to_cancel", noted)
        spec = JobSpec(prompt="steps=3 hold=1", text_to_image=TextToImage(width_px=8, height_px=8))
        request = RunJobRequest(job=live.name, spec=spec, output_folder=str(tmp_path))
        runner._at[live.name] = process
        following = asyncio.create_task(runner._follow(live, process, request))
        await eventually(lambda: live.message.progress.step == 1, "the job does not begin")
        os.kill(process.pid, signal.SIGSTOP)
        live.cancel_requested = True
        runner.cancel(live)
        await eventually(lambda: answers, "nobody asked")
        assert answers == [False]
        os.kill(process.pid, signal.SIGCONT)
        last = await asyncio.wait_for(following, SOON_S)
        assert last is not None
        assert last.WhichOneof("event") == "cancelled"
        await board.close()
    finally:
        process.kill()
        await process.wait()
        await process.close()
        await journal.close()
