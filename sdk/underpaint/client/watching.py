"""Watching a job across lost connections and restarted daemons."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Final

from underpaint.client.failures import Broken, NotServed
from underpaint.client.link import Link
from underpaint.errors import DaemonUnreachable, ProtocolUnsupported, ShuttingDown, TokenRefused
from underpaint.types import JobUpdate, Preview
from underpaint.v1 import job_service_pb2
from underpaint.wire.jobs import job_to_update, preview_from

_PAUSE: Final = 0.1


async def watch(
    link: Link, name: str, after_sequence: int, previews: bool, patience: float
) -> AsyncGenerator[JobUpdate | Preview, None]:
    """Changes of a job until its final state; up to `patience` seconds without a daemon are survived."""
    loop = asyncio.get_running_loop()
    after = after_sequence
    lost_at: float | None = None
    while True:
        try:
            # The first connection may start a daemon; later ones wait for the one that somebody starts:
            # whoever stops a daemon on purpose does not want it back at once.
            connection = await link.connection(start=None if lost_at is None else False)
            try:
                request = job_service_pb2.WatchJobRequest(name=name, after_sequence=after, previews=previews)
                stream = connection.wire.down(request, job_service_pb2.WatchJobResponse)
                async with contextlib.aclosing(stream) as messages:
                    async for message in messages:
                        lost_at = None
                        if message.WhichOneof("update") == "preview":
                            yield preview_from(message.preview)
                        elif message.HasField("job"):
                            after = message.job.sequence
                            update = job_to_update(message.job)
                            yield update
                            if update.state.is_final:
                                return
            except NotServed as error:
                raise ProtocolUnsupported("The daemon cannot watch jobs: update it.") from error
            except (Broken, TokenRefused) as error:
                link.drop(connection)
                raise _Lost(str(error)) from error
            # The end without a final state: it had been final before `after`, or the daemon is going down.
            reply = await link.call(
                job_service_pb2.GetJobRequest(name=name), job_service_pb2.GetJobResponse, start=False
            )
            update = job_to_update(reply.job)
            if update.state.is_final:
                yield update
                return
            raise _Lost("the stream ended early")
        except (_Lost, DaemonUnreachable, ShuttingDown) as error:
            now = loop.time()
            lost_at = now if lost_at is None else lost_at
            if now - lost_at >= patience:
                raise DaemonUnreachable(
                    f"The daemon went away while {name} was in work and did not come back within "
                    f"{patience:g} s ({error}). Run `underpaint serve`: finished jobs are kept, queued ones "
                    "go on."
                ) from error
            await asyncio.sleep(_PAUSE)


class _Lost(Exception):
    """The stream broke; there may be another."""
