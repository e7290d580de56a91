"""Who hears that a job has ended finds nothing of it left behind, however slow the disk is."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.unit.daemon.harness import image_layout
from underpaint.daemon.blobs.folder import PixelFolder
from underpaint.daemon.blobs.store import BlobStore
from underpaint.daemon.board import Board
from underpaint.daemon.journal import Journal
from underpaint.daemon.live import LiveJob, is_final
from underpaint.daemon.manager import JobManager
from underpaint.daemon.patience import Patience
from underpaint.daemon.runner import Runner
from underpaint.daemon.settings import Settings
from underpaint.daemon.watcher import Watcher
from underpaint.errors import ContentRefused
from underpaint.v1.job_service_pb2 import JOB_STATE_FAILED, JOB_STATE_QUEUED, Job, JobSpec

SLOW_S = 0.2


class Refuses:
    """Safety that lets nothing pass: the first thing a runner asks once the output folder is there."""

    async def check_request(self, spec: JobSpec) -> None:
        raise ContentRefused("No.")


class SlowFolder(PixelFolder):
    def remove(self, name: str) -> None:
        time.sleep(SLOW_S)
        super().remove(name)

    def remove_output_folder(self, job: str) -> None:
        time.sleep(SLOW_S)
        super().remove_output_folder(job)


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    journal = Journal(tmp_path / "jobs.sqlite")
    await journal.open()
    yield journal
    await journal.close()


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    (tmp_path / "pixels").mkdir()
    return BlobStore(SlowFolder(tmp_path / "pixels"), quota_bytes=1 << 30, lease_s=600, max_pixels=1 << 20)


async def test_neither_its_inputs_nor_its_output_folder(journal: Journal, blobs: BlobStore) -> None:
    board = Board(journal)
    manager = JobManager(Settings(), board, journal, blobs)
    entry = await blobs.create(image_layout())
    await blobs.seal(entry.name)
    live = LiveJob(Job(name="jobs/a", state=JOB_STATE_QUEUED, sequence=1), request_id="a", spec_sha256="0")
    blobs.pin([entry.name], live.name)
    await blobs.release(entry.name)
    await board.add(live, {entry.name: entry.layout})
    watcher = Watcher(previews=False)
    live.watchers.add(watcher)
    left: list[list[Path]] = []

    def look(job: Job) -> None:
        if is_final(job):
            left.append(list(blobs.folder.root.iterdir()))
        Watcher.put(watcher, job)

    watcher.put = look  # type: ignore[method-assign]
    runner = Runner(board, blobs, *(cast(Any, None),) * 3, cast(Any, Refuses()), Patience(60))
    assert list(blobs.folder.root.iterdir()) == [entry.path]
    await runner.run(live, cast(Any, SimpleNamespace(process=object(), engine_version="")))
    assert live.message.state == JOB_STATE_FAILED
    assert left == [[]]
    assert (await manager.get(live.name)).error.message == "No."
    await board.close()
