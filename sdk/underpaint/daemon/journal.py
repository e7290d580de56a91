"""Jobs on disk: what survives the daemon.

Each change of a job's state is a row before anybody hears of it. Progress in between is written now and
then; sequence numbers are reserved ahead, so that a restarted daemon never repeats one that was seen.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from underpaint.daemon.database import Database
from underpaint.daemon.live import LiveJob
from underpaint.v1.image_pb2 import ImageLayout
from underpaint.v1.job_service_pb2 import JOB_STATE_QUEUED, JOB_STATE_RUNNING, Job

# More changes than a job can go through between two writes of its progress.
SEQUENCES_AHEAD = 1000

MIGRATIONS = (
    """
    CREATE TABLE jobs (
        ordinal INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        client_id TEXT NOT NULL,
        document_id TEXT NOT NULL,
        request_id TEXT NOT NULL,
        spec_sha256 TEXT NOT NULL,
        state INTEGER NOT NULL,
        sequence_reserved INTEGER NOT NULL,
        attempts INTEGER NOT NULL,
        cancel_when_unwatched INTEGER NOT NULL,
        ended_s REAL,
        message BLOB NOT NULL,
        UNIQUE (client_id, request_id)
    );
    CREATE INDEX jobs_state ON jobs (state);
    CREATE TABLE blobs (name TEXT PRIMARY KEY, layout BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE job_blobs (
        job TEXT NOT NULL REFERENCES jobs (name) ON DELETE CASCADE,
        blob TEXT NOT NULL REFERENCES blobs (name),
        PRIMARY KEY (job, blob)
    ) WITHOUT ROWID
    """,
)
_UNFINISHED = (JOB_STATE_QUEUED, JOB_STATE_RUNNING)


@dataclass(frozen=True, slots=True)
class KeptBlob:
    """A blob that jobs refer to."""

    name: str
    layout: ImageLayout
    jobs: tuple[str, ...]


class Journal:
    """Rows of jobs and of the blobs that they hold. Call from the event loop's thread."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path, MIGRATIONS)

    async def open(self) -> None:
        """Opens the file; raises Unusable for that of a newer version."""
        await self._database.open()

    async def close(self) -> None:
        """Writes what is pending and closes."""
        await self._database.close()

    async def add(self, live: LiveJob, blobs: Mapping[str, ImageLayout]) -> None:
        """A new job with the blobs that it needs; sets `live.ordinal`."""
        row = _row(live)
        columns, marks = ", ".join(row), ", ".join("?" * len(row))

        def write(connection: sqlite3.Connection) -> int:
            cursor = connection.execute(f"INSERT INTO jobs ({columns}) VALUES ({marks})", tuple(row.values()))
            _hold(connection, live.name, blobs)
            return int(cursor.lastrowid or 0)

        live.ordinal = await self._database.call(write)

    async def save(self, live: LiveJob) -> None:
        """The job as it is at this moment."""
        row = _row(live)
        await self._database.call(lambda connection: _update(connection, row))

    async def finish(self, live: LiveJob, final: Job, results: Mapping[str, ImageLayout]) -> None:
        """A final state: the job lets its inputs go and holds its results."""
        row = _row(live, final)

        def write(connection: sqlite3.Connection) -> None:
            _update(connection, row)
            connection.execute("DELETE FROM job_blobs WHERE job = ?", (row["name"],))
            _hold(connection, str(row["name"]), results)
            _forget_unheld(connection)

        await self._database.call(write)

    async def delete(self, names: Iterable[str]) -> None:
        """Forgets jobs and lets their blobs go."""
        doomed = [(name,) for name in names]

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany("DELETE FROM jobs WHERE name = ?", doomed)
            _forget_unheld(connection)

        await self._database.call(write)

    async def get(self, name: str) -> Job | None:
        """One job, as last written."""

        def read(connection: sqlite3.Connection) -> Job | None:
            row = connection.execute("SELECT message FROM jobs WHERE name = ?", (name,)).fetchone()
            return None if row is None else Job.FromString(row[0])

        return await self._database.call(read)

    async def find_request(self, client_id: str, request_id: str) -> tuple[Job, str] | None:
        """The job that this client asked for under this id, and the hash of its specification."""

        def read(connection: sqlite3.Connection) -> tuple[Job, str] | None:
            row = connection.execute(
                "SELECT message, spec_sha256 FROM jobs WHERE client_id = ? AND request_id = ?",
                (client_id, request_id),
            ).fetchone()
            return None if row is None else (Job.FromString(row[0]), row[1])

        return await self._database.call(read)

    async def page(
        self, size: int, before: int | None, client_id: str, document_id: str
    ) -> list[tuple[int, Job]]:
        """Up to `size` jobs, newest first, with their ordinals; only those below `before`."""
        wanted = [("ordinal < ?", before), ("client_id = ?", client_id), ("document_id = ?", document_id)]
        kept = [(clause, value) for clause, value in wanted if value not in (None, "")]
        where = " AND ".join(clause for clause, _ in kept) or "1"

        def read(connection: sqlite3.Connection) -> list[tuple[int, Job]]:
            rows = connection.execute(
                f"SELECT ordinal, message FROM jobs WHERE {where} ORDER BY ordinal DESC LIMIT ?",
                (*(value for _, value in kept), size),
            )
            return [(ordinal, Job.FromString(message)) for ordinal, message in rows]

        return await self._database.call(read)

    async def unfinished(self) -> list[LiveJob]:
        """Jobs that were queued or running when the daemon ended, oldest first.

        Their sequence is above every one that was sent.
        """

        def read(connection: sqlite3.Connection) -> list[LiveJob]:
            rows = connection.execute(
                "SELECT ordinal, message, request_id, spec_sha256, attempts, cancel_when_unwatched, "
                "sequence_reserved FROM jobs WHERE state IN (?, ?) ORDER BY ordinal",
                _UNFINISHED,
            )
            return [_live(*row) for row in rows]

        return await self._database.call(read)

    async def kept_blobs(self) -> list[KeptBlob]:
        """Every blob that a job refers to."""

        def read(connection: sqlite3.Connection) -> list[KeptBlob]:
            rows = connection.execute(
                "SELECT name, layout, group_concat(job, ' ') FROM blobs JOIN job_blobs ON blob = name "
                "GROUP BY name"
            )
            return [
                KeptBlob(name, ImageLayout.FromString(layout), tuple(jobs.split(" ")))
                for name, layout, jobs in rows
            ]

        return await self._database.call(read)

    async def outlived(self, before_s: float, keep: int) -> list[str]:
        """Finished jobs that ended before `before_s` (Unix time), and the oldest beyond `keep`."""

        def read(connection: sqlite3.Connection) -> list[str]:
            rows = connection.execute(
                "SELECT name FROM jobs WHERE state NOT IN (?, ?) AND (ended_s < ? OR ordinal IN "
                "(SELECT ordinal FROM jobs WHERE state NOT IN (?, ?) "
                "ORDER BY ended_s DESC LIMIT -1 OFFSET ?))",
                (*_UNFINISHED, before_s, *_UNFINISHED, keep),
            )
            return [name for (name,) in rows]

        return await self._database.call(read)


def _row(live: LiveJob, message: Job | None = None) -> dict[str, object]:
    job = live.message if message is None else message
    return {
        "name": job.name,
        "client_id": job.origin.client_id,
        "document_id": job.origin.document_id,
        "request_id": live.request_id,
        "spec_sha256": live.spec_sha256,
        "state": job.state,
        "sequence_reserved": job.sequence + SEQUENCES_AHEAD,
        "attempts": live.attempts,
        "cancel_when_unwatched": live.cancel_when_unwatched,
        "ended_s": job.end_time.seconds + job.end_time.nanos / 1e9 if job.HasField("end_time") else None,
        "message": job.SerializeToString(),
    }


def _update(connection: sqlite3.Connection, row: Mapping[str, object]) -> None:
    assignments = ", ".join(f"{column} = ?" for column in row)
    connection.execute(f"UPDATE jobs SET {assignments} WHERE name = ?", (*row.values(), row["name"]))


def _live(
    ordinal: int,
    message: bytes,
    request_id: str,
    spec_sha256: str,
    attempts: int,
    cancel_when_unwatched: int,
    reserved: int,
) -> LiveJob:
    job = Job.FromString(message)
    job.sequence = reserved
    return LiveJob(
        message=job,
        request_id=request_id,
        spec_sha256=spec_sha256,
        cancel_when_unwatched=bool(cancel_when_unwatched),
        ordinal=ordinal,
        attempts=attempts,
    )


def _hold(connection: sqlite3.Connection, job: str, blobs: Mapping[str, ImageLayout]) -> None:
    rows: Sequence[tuple[str, bytes]] = [(name, layout.SerializeToString()) for name, layout in blobs.items()]
    connection.executemany("INSERT OR IGNORE INTO blobs (name, layout) VALUES (?, ?)", rows)
    connection.executemany(
        "INSERT OR IGNORE INTO job_blobs (job, blob) VALUES (?, ?)", [(job, name) for name in blobs]
    )


def _forget_unheld(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM blobs WHERE name NOT IN (SELECT blob FROM job_blobs)")
