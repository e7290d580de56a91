"""A submitted job, seen from asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING

from underpaint.errors import DaemonUnreachable, InvalidRequest
from underpaint.types import Image, JobState, JobUpdate, Preview

if TYPE_CHECKING:
    from underpaint.client.aio import AsyncClient


class AsyncJob:
    """A submitted job; made by `AsyncClient.submit` and `AsyncClient.job`."""

    def __init__(self, client: AsyncClient, known: JobUpdate | str) -> None:
        self._client = client
        self._name = known if isinstance(known, str) else known.name
        self._last = None if isinstance(known, str) else known

    @property
    def name(self) -> str:
        """The name, `jobs/{id}`."""
        return self._name

    def watch(
        self, after_sequence: int = 0, previews: bool = False
    ) -> AsyncGenerator[JobUpdate | Preview, None]:
        """As `AsyncClient.watch`."""
        return self._client.watch(self._name, after_sequence, previews)

    async def status(self) -> JobUpdate:
        """The job as it is now."""
        return self.note(await self._client.get(self._name))

    async def wait(
        self,
        timeout: float | None = None,
        *,
        on_update: Callable[[JobUpdate], None] | None = None,
        on_preview: Callable[[Preview], None] | None = None,
    ) -> JobUpdate:
        """Watches until the final state. Raises the job's own error, `JobCancelled`, `TimeoutError`."""
        try:
            return await asyncio.wait_for(self._wait(on_update, on_preview), timeout)
        except asyncio.TimeoutError:
            raise TimeoutError(f"{self._name} did not end within {timeout} s; it goes on.") from None

    async def _wait(
        self,
        on_update: Callable[[JobUpdate], None] | None,
        on_preview: Callable[[Preview], None] | None,
    ) -> JobUpdate:
        async for item in self.watch(previews=on_preview is not None):
            if isinstance(item, Preview):
                if on_preview is not None:
                    on_preview(item)
                continue
            self.note(item)
            if on_update is not None:
                on_update(item)
        return self.outcome()

    def note(self, update: JobUpdate) -> JobUpdate:
        """Remembers the newest state that somebody saw."""
        self._last = update
        return update

    def outcome(self) -> JobUpdate:
        """The final state that was seen last. Raises the job's own error, `JobCancelled`."""
        last = self._last
        if last is None or not last.state.is_final:
            raise DaemonUnreachable(f"The daemon stopped telling about {self._name} before it ended.")
        if last.error is not None:
            raise last.error
        return last

    async def fetch(self) -> list[Image]:
        """The finished pictures. Raises the job's own error, `InvalidRequest` while it runs."""
        return await self.fetch_with(self._client)

    async def fetch_with(self, client: AsyncClient) -> list[Image]:
        """`fetch` through another client: that of a forked child."""
        last = self._last
        if last is None or not last.state.is_final:
            last = self.note(await client.get(self._name))
        if last.error is not None:
            raise last.error
        if last.state is not JobState.SUCCEEDED:
            raise InvalidRequest(
                f"{self._name} is {last.state.value}: wait for it before fetching its pictures."
            )
        return [await client.download(result) for result in last.results]

    async def cancel(self) -> JobUpdate:
        """Asks for a stop within one denoising step. Idempotent."""
        return self.note(await self._client.cancel(self._name))

    async def delete(self) -> None:
        """Forgets the finished job and gives its results back. Idempotent."""
        await self._client.delete(self._name)
