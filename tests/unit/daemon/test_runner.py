"""A runner and a real worker process that dies under it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any, cast

import pytest

from tests.unit.daemon.harness import SCRIPTED_WORKER, SDK, Home
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
        await process.ready(20)
        await journal.open()
        board = Board(journal)
        live = LiveJob(
            Job(name="jobs/a", state=JOB_STATE_QUEUED, sequence=1), request_id="a", spec_sha256="0"
        )
        await board.add(live, {})
        await board.start(live, "engine")
        # Following needs neither blobs nor models nor filters.
        runner = Runner(board, cast(Any, None), cast(Any, None), cast(Any, None), Patience(60))
        spec = JobSpec(prompt="steps=1000 step_s=0.05", text_to_image=TextToImage(width_px=8, height_px=8))
        request = RunJobRequest(job=live.name, spec=spec, output_folder=str(tmp_path))
        # Stopped, it answers nothing: the call is still being made when its channel is closed.
        os.kill(process.pid, signal.SIGSTOP)
        following = asyncio.create_task(runner._follow(live, process, request))
        await asyncio.sleep(0.05)
        monkeypatch.setattr(WorkerProcess, "has_ended", property(lambda self: dead))
        await process.close()
        done, _ = await asyncio.wait([following], timeout=10)
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
