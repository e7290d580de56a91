"""JobService."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

import grpc

from underpaint.daemon.manager import JobManager
from underpaint.daemon.submission import Submission
from underpaint.v1 import job_service_pb2 as pb
from underpaint.v1.job_service_pb2_grpc import JobServiceServicer


class JobService(JobServiceServicer):
    """Jobs, as in job_service.proto."""

    def __init__(self, jobs: JobManager, submission: Submission) -> None:
        self._submission = submission
        self._jobs = jobs

    async def SubmitJob(  # noqa: N802
        self, request: pb.SubmitJobRequest, context: grpc.aio.ServicerContext
    ) -> pb.SubmitJobResponse:
        """Queues a job."""
        return pb.SubmitJobResponse(job=await self._submission.submit(request))

    async def WatchJob(  # noqa: N802
        self, request: pb.WatchJobRequest, context: grpc.aio.ServicerContext
    ) -> AsyncIterator[pb.WatchJobResponse]:
        """The present state, then every change."""
        changes = self._jobs.watch(request.name, request.after_sequence, previews=request.previews)
        async with aclosing(changes):  # type: ignore[type-var]
            async for response in changes:
                yield response

    async def GetJob(  # noqa: N802
        self, request: pb.GetJobRequest, context: grpc.aio.ServicerContext
    ) -> pb.GetJobResponse:
        """One job."""
        return pb.GetJobResponse(job=await self._jobs.get(request.name))

    async def ListJobs(  # noqa: N802
        self, request: pb.ListJobsRequest, context: grpc.aio.ServicerContext
    ) -> pb.ListJobsResponse:
        """Jobs, newest first."""
        return await self._jobs.page(request)

    async def CancelJob(  # noqa: N802
        self, request: pb.CancelJobRequest, context: grpc.aio.ServicerContext
    ) -> pb.CancelJobResponse:
        """Asks for a stop."""
        found, job = await self._jobs.cancel(request.name)
        return pb.CancelJobResponse(found=found, job=job)

    async def DeleteJob(  # noqa: N802
        self, request: pb.DeleteJobRequest, context: grpc.aio.ServicerContext
    ) -> pb.DeleteJobResponse:
        """Forgets a finished job."""
        await self._jobs.delete(request.name)
        return pb.DeleteJobResponse()
