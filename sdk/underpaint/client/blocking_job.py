"""A submitted job, seen from threads."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from underpaint.client.job import AsyncJob
from underpaint.client.thread import Late
from underpaint.types import Image, JobUpdate, Preview

if TYPE_CHECKING:
    from underpaint.client.blocking import Client


class Job:
    """A submitted job; made by `Client.submit` and `Client.job`. Any thread but a host's main one."""

    def __init__(self, client: Client, job: AsyncJob) -> None:
        self._client = client
        self._job = job

    @property
    def name(self) -> str:
        """The name, `jobs/{id}`."""
        return self._job.name

    def watch(self, after_sequence: int = 0, previews: bool = False) -> Iterator[JobUpdate | Preview]:
        """As `Client.watch`."""
        return self._client.watch(self.name, after_sequence, previews)

    def status(self) -> JobUpdate:
        """The job as it is now."""
        return self._job.note(self._client.get(self.name))

    def wait(
        self,
        timeout: float | None = None,
        *,
        on_update: Callable[[JobUpdate], None] | None = None,
        on_preview: Callable[[Preview], None] | None = None,
    ) -> JobUpdate:
        """Watches until the final state; callbacks run in the calling thread.

        Raises the job's own error, `JobCancelled`, `TimeoutError` after `timeout` seconds.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        try:
            items = self._client._watch(self.name, 0, on_preview is not None, deadline)
            with contextlib.closing(items):
                for item in items:
                    if isinstance(item, Preview):
                        if on_preview is not None:
                            on_preview(item)
                        continue
                    self._job.note(item)
                    if on_update is not None:
                        on_update(item)
        except Late:
            raise TimeoutError(f"{self.name} did not end within {timeout} s; it goes on.") from None
        return self._job.outcome()

    def fetch(self) -> list[Image]:
        """The finished pictures; pixels stay valid until the images are garbage.

        Raises the job's own error, `InvalidRequest` while it runs.
        """
        return self._client._run(lambda client: self._job.fetch_with(client))

    def cancel(self) -> JobUpdate:
        """Asks for a stop within one denoising step. Idempotent."""
        return self._job.note(self._client.cancel(self.name))

    def delete(self) -> None:
        """Forgets the finished job and gives its results back. Idempotent."""
        self._client.delete(self.name)
