"""The client: finds or starts the daemon, submits jobs, moves pixels. Pure Python, no compiled wheel.

`connect` gives a blocking `Client` for any thread, `connect_async` an `AsyncClient` for an event loop; the
first is the second on a private thread.
"""

from __future__ import annotations

from underpaint.client.aio import AsyncClient, connect_async
from underpaint.client.blocking import Client, connect
from underpaint.client.blocking_job import Job
from underpaint.client.job import AsyncJob

__all__ = ["AsyncClient", "AsyncJob", "Client", "Job", "connect", "connect_async"]
