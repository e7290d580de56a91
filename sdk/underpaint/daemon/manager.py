"""What clients do with jobs that there are: watch, look up, cancel, delete."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import AsyncIterator, Callable, Sequence

import structlog

from underpaint.daemon.blobs.store import BlobStore
from underpaint.daemon.board import Board, copy_job
from underpaint.daemon.journal import Journal
from underpaint.daemon.live import LiveJob, is_final
from underpaint.daemon.settings import Settings
from underpaint.daemon.tasks import TaskSet
from underpaint.daemon.watcher import Watcher
from underpaint.errors import (
    InvalidRequest,
    JobCancelled,
    JobNotFound,
    Violation,
)
from underpaint.v1.job_service_pb2 import (
    JOB_STATE_QUEUED,
    Job,
    JobState,
    ListJobsRequest,
    ListJobsResponse,
    WatchJobResponse,
)
from underpaint.wire.limits import raise_for

log = structlog.get_logger(__name__)

DEFAULT_PAGE = 100
MAX_PAGE = 1000
# A page of jobs with large host contexts ends early: many clients take 4 MiB a message.
MAX_PAGE_BYTES = 2 << 20


class JobManager:
    """The verbs. Used from the event loop's thread.

    `ask_to_stop` tells the worker that has a running job.
    """

    def __init__(self, settings: Settings, board: Board, journal: Journal, blobs: BlobStore) -> None:
        self.ask_to_stop: Callable[[LiveJob], None] = lambda live: None
        self._settings = settings
        self._board = board
        self._journal = journal
        self._blobs = blobs
        self._tasks = TaskSet()
        self._closing = False
        board.on_ended = self._ended

    async def get(self, name: str) -> Job:
        """The job as it is now; raises JobNotFound."""
        live = self._board.jobs.get(name)
        job = copy_job(live.message) if live is not None else await self._journal.get(name)
        if job is None:
            raise _not_found(name)
        return job

    async def watch(self, name: str, after: int, *, previews: bool) -> AsyncIterator[WatchJobResponse]:
        """The present state, then every change until a final one."""
        live = self._board.jobs.get(name)
        if live is None:
            job = await self.get(name)
            if not after or job.sequence > after:
                yield WatchJobResponse(job=job)
            return
        watcher = Watcher(previews=previews)
        live.watchers.add(watcher)
        sent = 0
        try:
            if not after or live.message.sequence > after:
                sent = live.message.sequence
                yield WatchJobResponse(job=copy_job(live.message))
            while True:
                response = await watcher.next()
                if response.HasField("preview"):
                    yield response
                    continue
                if response.job.sequence > sent:
                    sent = response.job.sequence
                    yield response
                if is_final(response.job):
                    return
        finally:
            live.watchers.discard(watcher)
            if live.cancel_when_unwatched and not (live.watchers or live.ended or self._closing):
                log.info("nobody watches any more; cancelling", job=name)
                self._tasks.spawn(self.cancel(name), f"cancel {name}")

    async def page(self, request: ListJobsRequest) -> ListJobsResponse:
        """A page of jobs, newest first."""
        size = page_size(request.page_size)
        before = _ordinal(request.page_token) if request.page_token else None
        rows = await self._journal.page(size + 1, before, request.client_id, request.document_id)
        response = ListJobsResponse()
        total = 0
        for index, (_, written) in enumerate(rows):
            live = self._board.jobs.get(written.name)
            job = live.message if live is not None else written
            total += job.ByteSize()
            if index == size or (index and total > MAX_PAGE_BYTES):
                response.next_page_token = _token(rows[index - 1][0])
                break
            response.jobs.append(job)
        return response

    async def cancel(self, name: str) -> tuple[JobState, Job]:
        """Asks for a stop; the state before and the job as it is now. Idempotent; raises JobNotFound."""
        live = self._board.jobs.get(name)
        if live is None or live.ended:
            job = await self.get(name)
            return job.state, job
        found = live.message.state
        live.cancel_requested = True
        if found == JOB_STATE_QUEUED and name in set(self._board.queue):
            await self._board.cancelled(live, JobCancelled("The job was cancelled while it was queued."))
        else:
            self.ask_to_stop(live)
        return found, copy_job(live.message)

    async def delete(self, name: str) -> None:
        """Forgets a finished job and lets its results go. Unknown names are no error."""
        if name in self._board.jobs:
            raise InvalidRequest(
                f"{name} is not finished: cancel it first.",
                violations=[Violation("name", "names a job that is queued or running")],
            )
        await self._journal.delete([name])
        await self._blobs.unpin(name)

    async def retire(self) -> int:
        """Forgets finished jobs that are too old or too many; returns how many."""
        before = time.time() - self._settings.keep_finished_s
        names = await self._journal.outlived(before, self._settings.keep_finished_jobs)
        if names:
            await self._journal.delete(names)
            for name in names:
                await self._blobs.unpin(name)
            log.info("finished jobs forgotten", count=len(names))
        return len(names)

    def close(self) -> None:
        """The daemon is going away: a stream that ends now cancels nothing."""
        self._closing = True

    async def settle(self) -> None:
        """Waits for what is under way."""
        await self._tasks.settle(2.0)

    async def _ended(self, name: str, results: Sequence[str]) -> None:
        await self._blobs.unpin(name, keep=results)


def page_size(asked: int) -> int:
    """How many entries a page has; raises InvalidRequest."""
    if asked > MAX_PAGE:
        raise_for([Violation("page_size", f"must be 0 to {MAX_PAGE}, got {asked}")])
    return asked or DEFAULT_PAGE


def _not_found(name: str) -> JobNotFound:
    return JobNotFound(
        f"There is no job {name[:60]!r}: it was deleted, or kept no longer. List the jobs there are.",
        metadata={"job": name[:60]},
    )


def _token(ordinal: int) -> str:
    return base64.urlsafe_b64encode(str(ordinal).encode()).decode()


def _ordinal(token: str) -> int:
    try:
        return int(base64.urlsafe_b64decode(token.encode()))
    except (ValueError, binascii.Error):
        raise_for([Violation("page_token", "is not one that this daemon sent")])
        raise
