"""The client: one asyncio implementation, which the blocking face runs on a thread of its own."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterator
from types import TracebackType
from typing import Any, Final

from underpaint.client.inputs import Inputs
from underpaint.client.job import AsyncJob
from underpaint.client.leases import Leases
from underpaint.client.link import CALL_TIMEOUT, Link, Reply
from underpaint.client.plane import PixelPlane
from underpaint.client.watching import watch
from underpaint.errors import BlobNotFound
from underpaint.types import (
    ControlModelInfo,
    FreedMemory,
    Image,
    JobOrigin,
    JobUpdate,
    LoraInfo,
    ModelInfo,
    ModelList,
    PluginInfo,
    PostprocessorInfo,
    PreprocessorInfo,
    Preview,
    Priority,
    Request,
    ResultRef,
    ServerInfo,
)
from underpaint.v1 import image_pb2, job_service_pb2, model_service_pb2, server_service_pb2
from underpaint.wire.controls import control_model_to_info
from underpaint.wire.jobs import PRIORITIES, job_to_update, origin_to_message
from underpaint.wire.limits import check_request_id, raise_for
from underpaint.wire.loras import lora_model_to_info
from underpaint.wire.models import model_to_info
from underpaint.wire.requests import check_job_origin, check_request
from underpaint.wire.server import (
    plugin_from,
    postprocessor_from,
    preprocessor_from,
    server_info_from,
)

CONNECT_TIMEOUT: Final = 30.0
"""Seconds for a daemon to start and answer; a cold disk takes most of them."""
RECONNECT_FOR: Final = 10.0
"""Seconds for which watching waits for a daemon that went."""
_LOAD_TIMEOUT: Final = 1800.0
_PAGE: Final = 200


async def connect_async(
    *,
    start: bool = True,
    timeout: float = CONNECT_TIMEOUT,
    address: str | None = None,
    token: str | None = None,
    pixels: str | None = None,
    reconnect_for: float = RECONNECT_FOR,
) -> AsyncClient:
    """Finds the daemon, starts it if there is none, and returns a client on the running event loop.

    start: whether a daemon may be started; with `address` none ever is.
    timeout: seconds for a daemon that we start to answer.
    address, token: a certain daemon ("unix:/path" or "tcp:HOST:PORT"); both or neither.
    pixels: "auto" or "chunks"; None: UNDERPAINT_PIXELS, else "auto".
    reconnect_for: seconds for which waiting and watching survive a daemon that went.

    Raises `DaemonUnreachable`, `TokenRefused`, `ProtocolUnsupported`, each with the way out.
    """
    client = AsyncClient(
        start=start,
        timeout=timeout,
        address=address,
        token=token,
        pixels=pixels,
        reconnect_for=reconnect_for,
    )
    try:
        await client.server_info()
    except BaseException:
        await client.close()
        raise
    return client


class AsyncClient:
    """A connection to the daemon for one event loop; made by `connect_async`. Close it, or use `async with`.

    Calls survive a daemon that was restarted. Every call raises the tree of `underpaint.errors`.
    """

    def __init__(
        self,
        *,
        start: bool,
        timeout: float,
        address: str | None,
        token: str | None,
        pixels: str | None,
        reconnect_for: float,
    ) -> None:
        self._link = Link(start=start, timeout=timeout, address=address, token=token)
        self._leases = Leases(self._link)
        mode = pixels or os.environ.get("UNDERPAINT_PIXELS") or "auto"
        self._plane = PixelPlane(self._link, self._leases, mode)
        self._reconnect_for = reconnect_for

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Gives leases back and ends the connection; jobs go on, downloaded images stay valid. Idempotent."""
        await self._leases.close()
        self._link.close()

    # Jobs

    async def submit(
        self,
        request: Request,
        *,
        origin: JobOrigin | None = None,
        priority: Priority = Priority.INTERACTIVE,
        request_id: str | None = None,
        cancel_when_unwatched: bool = False,
    ) -> AsyncJob:
        """Uploads the request's images and queues the job. The same `request_id` gives the same job.

        Raises `InvalidRequest` before anything is uploaded where that can be told without the model.
        """
        request_id = os.urandom(16).hex() if request_id is None else request_id
        raise_for(
            check_request(request) + check_job_origin(origin or JobOrigin()) + check_request_id(request_id)
        )
        message = job_service_pb2.SubmitJobRequest(
            request_id=request_id,
            origin=origin_to_message(origin or JobOrigin()),
            priority=PRIORITIES[priority],
            cancel_when_unwatched=cancel_when_unwatched,
        )
        try:
            reply = await self._submit_once(request, message)
        except BlobNotFound:
            # The daemon was restarted between upload and submission and forgot the pixels.
            reply = await self._submit_once(request, message)
        return AsyncJob(self, job_to_update(reply.job))

    async def _submit_once(
        self, request: Request, message: job_service_pb2.SubmitJobRequest
    ) -> job_service_pb2.SubmitJobResponse:
        inputs = Inputs(self.upload)
        try:
            message.spec.CopyFrom(await inputs.spec(request))
            return await self._link.call(message, job_service_pb2.SubmitJobResponse)
        finally:
            for name in inputs.names:
                self._leases.drop(name)

    def job(self, name: str) -> AsyncJob:
        """A job by name, whoever submitted it; nothing is asked of the daemon yet."""
        return AsyncJob(self, name)

    async def get(self, name: str) -> JobUpdate:
        """A job as it is now. Raises `JobNotFound`."""
        reply = await self._link.call(
            job_service_pb2.GetJobRequest(name=name), job_service_pb2.GetJobResponse
        )
        return job_to_update(reply.job)

    async def jobs(self, *, client_id: str = "", document_id: str = "") -> list[JobUpdate]:
        """Jobs, newest first; all of them, or those of a client or document."""
        request = job_service_pb2.ListJobsRequest(
            page_size=_PAGE, client_id=client_id, document_id=document_id
        )
        pages = self._pages(request, job_service_pb2.ListJobsResponse)
        return [job_to_update(job) async for page in pages for job in page.jobs]

    def watch(
        self, name: str, after_sequence: int = 0, previews: bool = False
    ) -> AsyncGenerator[JobUpdate | Preview, None]:
        """The job as it is now (unless its sequence is not above `after_sequence`), then every change.

        Ends after a final state. Survives a daemon that is restarted for `reconnect_for` seconds.
        """
        return watch(self._link, name, after_sequence, previews, self._reconnect_for)

    async def cancel(self, name: str) -> JobUpdate:
        """Asks for a stop within one denoising step; the job as it is now. Idempotent."""
        reply = await self._link.call(
            job_service_pb2.CancelJobRequest(name=name), job_service_pb2.CancelJobResponse
        )
        return job_to_update(reply.job)

    async def delete(self, name: str) -> None:
        """Forgets a finished job and gives its results back. Idempotent."""
        await self._link.call(job_service_pb2.DeleteJobRequest(name=name), job_service_pb2.DeleteJobResponse)

    # Pixels

    async def upload(self, image: Image) -> image_pb2.ImageRef:
        """Brings an image to the daemon, where it stays until `release` or the end of this client."""
        return await self._plane.upload(image)

    async def release(self, ref: image_pb2.ImageRef) -> None:
        """Gives an uploaded image back."""
        self._leases.drop(ref.blob)

    async def download(self, ref: ResultRef | image_pb2.ImageRef) -> Image:
        """Pixels from the daemon, read-only; valid as long as the image or a view of it is alive."""
        if isinstance(ref, ResultRef):
            return await self._plane.download(ref.blob, ref.x, ref.y)
        return await self._plane.download(ref.blob, ref.x_px, ref.y_px)

    # Models and the daemon itself

    async def models(self, kind: str = "") -> ModelList:
        """Models that the daemon knows, and which are used when a request names none.

        Those that paint; or those of a `kind` (`ModelInfo.kind`), "all" for every one.
        """
        found: list[ModelInfo] = []
        request = model_service_pb2.ListModelsRequest(page_size=_PAGE, kind=kind)
        while True:
            reply = await self._link.call(request, model_service_pb2.ListModelsResponse)
            found += [model_to_info(model) for model in reply.models]
            if not reply.next_page_token:
                return ModelList(tuple(found), reply.default_model, reply.default_inpaint_model)
            request.page_token = reply.next_page_token

    async def control_models(self) -> list[ControlModelInfo]:
        """What `Control.model` may name, by name, and which models each fits."""
        pages = self._pages(
            model_service_pb2.ListControlModelsRequest(page_size=_PAGE),
            model_service_pb2.ListControlModelsResponse,
        )
        return [control_model_to_info(one) async for page in pages for one in page.control_models]

    async def loras(self) -> list[LoraInfo]:
        """What `Lora.name` may name, by name, and which models each fits."""
        pages = self._pages(
            model_service_pb2.ListLorasRequest(page_size=_PAGE), model_service_pb2.ListLorasResponse
        )
        return [lora_model_to_info(one) async for page in pages for one in page.loras]

    async def load_model(self, name: str) -> ModelInfo:
        """Brings a model into memory; returns once it is there, which may take minutes."""
        reply = await self._link.call(
            model_service_pb2.LoadModelRequest(name=name),
            model_service_pb2.LoadModelResponse,
            timeout=_LOAD_TIMEOUT,
        )
        return model_to_info(reply.model)

    async def unload_model(self, name: str = "") -> None:
        """Gives a model's memory back; without a name, all of them. Idempotent."""
        await self._link.call(
            model_service_pb2.UnloadModelRequest(name=name),
            model_service_pb2.UnloadModelResponse,
            timeout=4 * CALL_TIMEOUT,
        )

    async def yield_memory(self, *, ram: bool = False, pause: float = 0.0) -> FreedMemory:
        """Gives GPU memory back now; what came free. Fails no job.

        Running jobs finish their present step, wait for `pause` seconds, at most an hour, and go on with
        what they have. `ram`: also what idle models hold in the machine's memory. Starts no daemon.
        """
        reply = await self._link.call(
            model_service_pb2.YieldMemoryRequest(ram=ram, pause_seconds=max(0, round(pause))),
            model_service_pb2.YieldMemoryResponse,
            timeout=4 * CALL_TIMEOUT,
            start=False,
        )
        return FreedMemory(reply.device_bytes, reply.ram_bytes)

    async def server_info(self) -> ServerInfo:
        """The daemon as it describes itself: versions, workers, capabilities."""
        reply = await self._link.call(
            server_service_pb2.GetServerInfoRequest(), server_service_pb2.GetServerInfoResponse
        )
        return server_info_from(reply)

    async def plugins(self) -> list[PluginInfo]:
        """Plug-ins of the daemon's side, the broken ones with their tracebacks."""
        pages = self._pages(
            server_service_pb2.ListPluginsRequest(page_size=_PAGE), server_service_pb2.ListPluginsResponse
        )
        return [plugin_from(one) async for page in pages for one in page.plugins]

    async def preprocessors(self) -> list[PreprocessorInfo]:
        """What `PreprocessRequest` may name, by name."""
        pages = self._pages(
            server_service_pb2.ListPreprocessorsRequest(page_size=_PAGE),
            server_service_pb2.ListPreprocessorsResponse,
        )
        return [preprocessor_from(one) async for page in pages for one in page.preprocessors]

    async def postprocessors(self) -> list[PostprocessorInfo]:
        """What `GenerateRequest.postprocess` may name, by name."""
        pages = self._pages(
            server_service_pb2.ListPostprocessorsRequest(page_size=_PAGE),
            server_service_pb2.ListPostprocessorsResponse,
        )
        return [postprocessor_from(one) async for page in pages for one in page.postprocessors]

    async def _pages(self, request: Any, response: type[Reply]) -> AsyncIterator[Reply]:
        """Every page of a List call."""
        while True:
            page: Any = await self._link.call(request, response)
            yield page
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def shutdown(self, drain: float = 0.0) -> int:
        """Ends the daemon after at most `drain` seconds for running jobs; the jobs that stay queued.

        Starts no daemon in order to end it.
        """
        seconds = max(0, round(drain))
        reply = await self._link.call(
            server_service_pb2.ShutdownRequest(drain_seconds=seconds),
            server_service_pb2.ShutdownResponse,
            timeout=CALL_TIMEOUT + seconds,
            start=False,
        )
        return reply.queued_jobs
