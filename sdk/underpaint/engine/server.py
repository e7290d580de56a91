"""The worker's private gRPC service. Every call needs the token that the daemon made up for this process."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator
from typing import Any, NoReturn, cast

import grpc
import grpc.aio

from underpaint.engine.events import EventStream
from underpaint.engine.loop import DeviceLoop
from underpaint.engine.provenance import engine_version
from underpaint.engine.registry import Families
from underpaint.errors import TokenRefused, UnderpaintError
from underpaint.wire.headers import STATUS_HEADER, TOKEN_HEADER, bearer
from underpaint.wire.status import error_to_status, grpc_code_for
from underpaint.worker_v1 import worker_service_pb2, worker_service_pb2_grpc

_CODES = {code.value[0]: code for code in grpc.StatusCode}


class WorkerService(worker_service_pb2_grpc.WorkerServiceServicer):
    """What the daemon calls. `stopping` is set when the process shall end."""

    def __init__(self, device: DeviceLoop, families: Families, token: str) -> None:
        self._device = device
        self._families = families
        self._header = bearer(token).encode()
        self.stopping = asyncio.Event()

    async def DescribeWorker(  # noqa: N802
        self, request: worker_service_pb2.DescribeWorkerRequest, context: Any
    ) -> worker_service_pb2.DescribeWorkerResponse:
        """Device, versions, models in memory."""
        await self._authorise(context)
        return worker_service_pb2.DescribeWorkerResponse(
            device=self._families.device,
            engine_version=engine_version(),
            loaded_models=self._families.loaded(),
        )

    async def RunJob(  # noqa: N802
        self, request: worker_service_pb2.RunJobRequest, context: Any
    ) -> AsyncIterator[worker_service_pb2.RunJobResponse]:
        """Runs a job; a stream that breaks leaves it running."""
        await self._authorise(context)
        events = EventStream(asyncio.get_running_loop())
        try:
            self._device.submit(request, events.put)
        except UnderpaintError as error:
            await _abort(context, error)
        async for event in events:
            yield event

    async def CancelJob(  # noqa: N802
        self, request: worker_service_pb2.CancelJobRequest, context: Any
    ) -> worker_service_pb2.CancelJobResponse:
        """Ends a job at its next step."""
        await self._authorise(context)
        return worker_service_pb2.CancelJobResponse(found=self._device.cancel(request.job))

    async def LoadModel(  # noqa: N802
        self, request: worker_service_pb2.LoadModelRequest, context: Any
    ) -> worker_service_pb2.LoadModelResponse:
        """Brings a model into memory."""
        await self._authorise(context)
        try:
            loaded = await asyncio.to_thread(self._device.load, request.model)
            await asyncio.wrap_future(loaded)
        except UnderpaintError as error:
            await _abort(context, error)
        return worker_service_pb2.LoadModelResponse()

    async def UnloadModel(  # noqa: N802
        self, request: worker_service_pb2.UnloadModelRequest, context: Any
    ) -> worker_service_pb2.UnloadModelResponse:
        """Gives a model's memory back."""
        await self._authorise(context)
        await asyncio.wrap_future(self._device.call(lambda: self._families.forget(request.name)))
        return worker_service_pb2.UnloadModelResponse()

    async def YieldMemory(  # noqa: N802
        self, request: worker_service_pb2.YieldMemoryRequest, context: Any
    ) -> worker_service_pb2.YieldMemoryResponse:
        """Gives memory back between two steps."""
        await self._authorise(context)
        pause = float(request.pause_seconds)
        freed = await asyncio.wrap_future(self._device.yield_memory(ram=request.ram, pause=pause))
        return worker_service_pb2.YieldMemoryResponse(device_bytes=freed.device, ram_bytes=freed.ram)

    async def StopWorker(  # noqa: N802
        self, request: worker_service_pb2.StopWorkerRequest, context: Any
    ) -> worker_service_pb2.StopWorkerResponse:
        """Ends the process."""
        await self._authorise(context)
        self.stopping.set()
        return worker_service_pb2.StopWorkerResponse()

    async def _authorise(self, context: Any) -> None:
        found = dict(context.invocation_metadata() or ()).get(TOKEN_HEADER, "")
        if not hmac.compare_digest(str(found).encode(), self._header):
            await _abort(
                context, TokenRefused("This worker serves the daemon that started it and nobody else.")
            )


async def _abort(context: Any, error: UnderpaintError) -> NoReturn:
    trailer = ((STATUS_HEADER, error_to_status(error).SerializeToString()),)
    await context.abort(_CODES[grpc_code_for(error.reason)], error.message, trailing_metadata=trailer)
    raise AssertionError("abort raises")


async def serve(address: str, service: WorkerService) -> tuple[grpc.aio.Server, int]:
    """Starts the server on "unix:/path" or "127.0.0.1:0"; returns it with the port, 1 for a socket."""
    # so_reuseport would let a second process take half of the calls.
    server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
    worker_service_pb2_grpc.add_WorkerServiceServicer_to_server(service, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port(address)
    await server.start()
    return server, cast(int, port)
