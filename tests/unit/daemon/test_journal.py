"""Real SQLite files."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.daemon.harness import image_layout
from underpaint.daemon.journal import MIGRATIONS, SEQUENCES_AHEAD, Journal
from underpaint.daemon.live import LiveJob
from underpaint.errors import Unusable
from underpaint.v1.job_service_pb2 import (
    JOB_STATE_QUEUED,
    JOB_STATE_RUNNING,
    JOB_STATE_SUCCEEDED,
    Job,
    JobOrigin,
)


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    journal = Journal(tmp_path / "jobs.sqlite")
    await journal.open()
    yield journal
    await journal.close()


def job(name: str, *, client: str = "krita", document: str = "", state: int = JOB_STATE_QUEUED) -> LiveJob:
    origin = JobOrigin(client_id=client, document_id=document)
    message = Job(name=f"jobs/{name}", state=state, sequence=1, origin=origin)
    return LiveJob(message, request_id=name, spec_sha256="00")


async def end(
    journal: Journal, live: LiveJob, ended_s: float, results: dict[str, object] | None = None
) -> None:
    final = Job()
    final.CopyFrom(live.message)
    final.state = JOB_STATE_SUCCEEDED
    final.end_time.FromNanoseconds(int(ended_s * 1e9))
    await journal.finish(live, final, results or {})  # type: ignore[arg-type]


async def test_unfinished_jobs_come_back_with_a_sequence_that_nobody_has_seen(tmp_path: Path) -> None:
    first = Journal(tmp_path / "jobs.sqlite")
    await first.open()
    running = job("a", state=JOB_STATE_RUNNING)
    await first.add(running, {})
    running.message.sequence = 40
    running.attempts = 1
    await first.save(running)
    await first.add(job("b"), {})
    done = job("c")
    await first.add(done, {})
    await end(first, done, 1.0)
    await first.close()

    second = Journal(tmp_path / "jobs.sqlite")
    await second.open()
    back = await second.unfinished()
    await second.close()
    assert [live.name for live in back] == ["jobs/a", "jobs/b"]
    assert back[0].message.sequence == 40 + SEQUENCES_AHEAD
    assert (back[0].attempts, back[0].ordinal) == (1, 1)


async def test_a_request_id_belongs_to_its_client(journal: Journal) -> None:
    await journal.add(job("same", client="krita"), {})
    other = job("other", client="gimp")
    other.request_id = "same"
    await journal.add(other, {})
    found = await journal.find_request("gimp", "same")
    assert found is not None
    assert found[0].name == "jobs/other"
    assert await journal.find_request("blender", "same") is None


async def test_pages_run_from_the_newest_and_can_be_filtered(journal: Journal) -> None:
    for number in range(5):
        await journal.add(job(str(number), client=f"c{number % 2}", document=f"d{number}"), {})
    first = await journal.page(2, None, "", "")
    assert [found.name for _, found in first] == ["jobs/4", "jobs/3"]
    rest = await journal.page(9, first[-1][0], "", "")
    assert [found.name for _, found in rest] == ["jobs/2", "jobs/1", "jobs/0"]
    assert [found.name for _, found in await journal.page(9, None, "c1", "")] == ["jobs/3", "jobs/1"]
    assert [found.name for _, found in await journal.page(9, None, "c1", "d3")] == ["jobs/3"]


async def test_a_finished_job_lets_its_inputs_go_and_holds_its_results(journal: Journal) -> None:
    live, other = job("a"), job("b")
    await journal.add(live, {"blobs/in": image_layout(), "blobs/shared": image_layout()})
    await journal.add(other, {"blobs/shared": image_layout()})
    await end(journal, live, 1.0, {"blobs/out": image_layout(3, 2)})
    kept = {blob.name: blob.jobs for blob in await journal.kept_blobs()}
    assert kept == {"blobs/out": ("jobs/a",), "blobs/shared": ("jobs/b",)}
    await journal.delete(["jobs/a", "jobs/b", "jobs/unknown"])
    assert await journal.kept_blobs() == []
    assert await journal.get("jobs/a") is None


async def test_old_and_surplus_finished_jobs_are_named(journal: Journal) -> None:
    moment = time.time()
    for number, age in enumerate((900.0, 20.0, 10.0, 5.0)):
        live = job(str(number))
        await journal.add(live, {})
        await end(journal, live, moment - age)
    await journal.add(job("queued"), {})
    assert await journal.outlived(moment - 100, keep=9) == ["jobs/0"]
    assert sorted(await journal.outlived(0.0, keep=1)) == ["jobs/0", "jobs/1", "jobs/2"]
    assert sorted(await journal.outlived(0.0, keep=0)) == ["jobs/0", "jobs/1", "jobs/2", "jobs/3"]


async def test_a_damaged_file_is_set_aside_and_a_new_one_begins(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"
    path.write_bytes(b"this was never a database, " * 100)
    journal = Journal(path)
    await journal.open()
    await journal.add(job("a"), {})
    await journal.close()
    (aside,) = tmp_path.glob("jobs.damaged-*.sqlite")
    assert aside.read_bytes().startswith(b"this was never")


async def test_the_file_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(Unusable, match="update underpaint"):
        await Journal(path).open()
    assert path.read_bytes() == before
    assert not list(tmp_path.glob("*damaged*"))


async def test_the_file_is_for_its_user_only(tmp_path: Path, journal: Journal) -> None:
    assert (tmp_path / "jobs.sqlite").stat().st_mode & 0o077 == 0


async def test_a_transaction_that_fails_leaves_nothing(journal: Journal) -> None:
    await journal.add(job("a"), {})
    with pytest.raises(sqlite3.IntegrityError):
        await journal.add(job("a"), {"blobs/x": image_layout()})
    assert await journal.kept_blobs() == []
