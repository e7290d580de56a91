"""From a request to a queued job: checked, resolved, journalled, and only once."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Callable

import structlog

from underpaint.daemon.blobs.store import BlobStore
from underpaint.daemon.board import Board, copy_job, now
from underpaint.daemon.journal import Journal
from underpaint.daemon.live import LiveJob
from underpaint.daemon.resolve import Resolved, Resolver
from underpaint.errors import LimitExceeded, RequestIdReused, ShuttingDown
from underpaint.v1.job_service_pb2 import JOB_STATE_QUEUED, Job, SubmitJobRequest
from underpaint.wire.jobs import PRIORITIES, priority_from
from underpaint.wire.limits import check_origin, check_request_id, raise_for

log = structlog.get_logger(__name__)


class Submission:
    """Takes jobs in. Used from the event loop's thread. `check_engine` raises where none can ever run."""

    def __init__(
        self,
        board: Board,
        journal: Journal,
        blobs: BlobStore,
        resolver: Resolver,
        *,
        max_jobs_per_client: int,
    ) -> None:
        self.check_engine: Callable[[], None] = lambda: None
        self._board = board
        self._journal = journal
        self._blobs = blobs
        self._resolver = resolver
        self._maximum = max_jobs_per_client
        self._submitting = asyncio.Lock()
        self._closing = False

    def close(self) -> None:
        """Takes no more jobs."""
        self._closing = True

    async def submit(self, request: SubmitJobRequest) -> Job:
        """Queues a job, or returns the one that this request_id made before."""
        if self._closing:
            raise ShuttingDown("The daemon is going away: submit again in a moment; a new one will start.")
        raise_for(check_request_id(request.request_id) + check_origin(request.origin))
        digest = hashlib.sha256(request.spec.SerializeToString(deterministic=True)).hexdigest()
        earlier = await self._earlier(request, digest)
        if earlier is not None:
            return earlier
        resolved = await self._resolver.resolve(request.spec)
        self.check_engine()
        # Two retries at once must not both find nothing, nor both the last free place.
        async with self._submitting:
            earlier = await self._earlier(request, digest)
            if earlier is not None:
                return earlier
            self._check_limit(request.origin.client_id)
            live = _new(request, digest, resolved)
            self._blobs.pin(resolved.inputs, live.name)
            try:
                await self._board.add(live, resolved.inputs)
            except BaseException:
                await self._blobs.unpin(live.name)
                raise
        log.info("job queued", job=live.name, client=request.origin.client_id, model=resolved.spec.model)
        return copy_job(live.message)

    async def _earlier(self, request: SubmitJobRequest, digest: str) -> Job | None:
        found = await self._journal.find_request(request.origin.client_id, request.request_id)
        if found is None:
            return None
        job, earlier = found
        if earlier != digest:
            raise RequestIdReused(
                f"The request_id {request.request_id!r} was used for another specification: choose another.",
                metadata={"job": job.name},
            )
        live = self._board.jobs.get(job.name)
        return job if live is None else copy_job(live.message)

    def _check_limit(self, client_id: str) -> None:
        maximum = self._maximum
        jobs = [live for live in self._board.jobs.values() if live.message.origin.client_id == client_id]
        if len(jobs) >= maximum:
            raise LimitExceeded(
                f"This client has {len(jobs)} jobs queued or running, and {maximum} are allowed: wait for "
                "some to end, cancel some, or raise UNDERPAINT_MAX_JOBS_PER_CLIENT and restart the daemon.",
                metadata={"limit": "jobs_per_client", "maximum": str(maximum)},
            )


def _new(request: SubmitJobRequest, digest: str, resolved: Resolved) -> LiveJob:
    message = Job(
        name=f"jobs/{secrets.token_hex(16)}",
        state=JOB_STATE_QUEUED,
        sequence=1,
        spec=request.spec,
        resolved=resolved.spec,
        origin=request.origin,
        priority=PRIORITIES[priority_from(request.priority)],
        create_time=now(),
    )
    return LiveJob(message, request.request_id, digest, request.cancel_when_unwatched)
