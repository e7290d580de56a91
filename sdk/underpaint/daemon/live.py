"""A job that is not finished yet, as the daemon holds it in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from underpaint.v1.job_service_pb2 import JOB_STATE_QUEUED, JOB_STATE_RUNNING, Job

if TYPE_CHECKING:
    from underpaint.daemon.watcher import Watcher


@dataclass(slots=True, eq=False)
class LiveJob:
    """One job and what is remembered about it while it lives."""

    message: Job
    request_id: str
    spec_sha256: str
    cancel_when_unwatched: bool = False
    ordinal: int = 0
    """Order of submission."""
    attempts: int = 0
    """How often a worker or a daemon was lost while it ran."""
    cancel_requested: bool = False
    interrupted: bool = False
    """The daemon is going away: whatever stops it now, the job goes back to the queue."""
    ended: bool = False
    """Set as soon as a final state is being journalled."""
    watchers: set[Watcher] = field(default_factory=set)

    @property
    def name(self) -> str:
        """The name, `jobs/{id}`."""
        return self.message.name

    @property
    def is_queued(self) -> bool:
        """Whether it waits for a worker."""
        return self.message.state == JOB_STATE_QUEUED

    @property
    def is_final(self) -> bool:
        """Whether it has ended."""
        return is_final(self.message)


def is_final(job: Job) -> bool:
    """Whether a job has ended."""
    return job.state not in (JOB_STATE_QUEUED, JOB_STATE_RUNNING)
