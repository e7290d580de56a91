"""ServerService."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from datetime import datetime, timezone

import grpc

from underpaint import __version__
from underpaint.daemon.board import Board
from underpaint.daemon.models import ModelIndex
from underpaint.daemon.processing import postprocessor_infos, preprocessor_infos
from underpaint.daemon.safety import Safety
from underpaint.daemon.services.paging import page
from underpaint.daemon.supervisor import Supervisor
from underpaint.types import ServerInfo
from underpaint.v1 import server_service_pb2 as pb
from underpaint.v1.server_service_pb2_grpc import ServerServiceServicer
from underpaint.wire.headers import PROTOCOL_MINIMUM, PROTOCOL_VERSION
from underpaint.wire.server import (
    plugin_to_message,
    postprocessor_to_message,
    preprocessor_to_message,
    server_info_to_message,
)

GOODBYE_S = 0.05
"""The answer to Shutdown gets so long to leave."""

CAPABILITIES = (
    "cancel-when-unwatched",
    "chunked-pixels",
    "controls",
    "job-journal",
    "latents",
    "loras",
    "mapped-pixels",
    "postprocess",
    "preprocess",
    "presets",
    "previews",
    "regions",
    "resumable-watch",
    "scheduler-parameters",
    "upscale",
    "uv-islands",
    "yield-memory",
)


class ServerService(ServerServiceServicer):
    """The daemon itself, as in server_service.proto. `shut_down` gets the seconds to drain."""

    def __init__(
        self,
        board: Board,
        models: ModelIndex,
        supervisor: Supervisor,
        safety: Safety,
        shut_down: Callable[[float], None],
    ) -> None:
        self._board = board
        self._models = models
        self._supervisor = supervisor
        self._safety = safety
        self._shut_down = shut_down
        self._started = datetime.now(timezone.utc)

    async def GetServerInfo(  # noqa: N802
        self, request: pb.GetServerInfoRequest, context: grpc.aio.ServicerContext
    ) -> pb.GetServerInfoResponse:
        """Versions, workers, jobs."""
        info = ServerInfo(
            version=__version__,
            protocol_minimum=PROTOCOL_MINIMUM,
            protocol_maximum=PROTOCOL_VERSION,
            pid=os.getpid(),
            started=self._started,
            workers=tuple(self._supervisor.infos),
            capabilities=tuple(sorted((*CAPABILITIES, *self._safety.capabilities))),
            active_jobs=len(self._board.jobs),
        )
        return server_info_to_message(info)

    async def ListPlugins(  # noqa: N802
        self, request: pb.ListPluginsRequest, context: grpc.aio.ServicerContext
    ) -> pb.ListPluginsResponse:
        """Plug-ins, broken ones with their traceback."""
        plugins = (await self._models.plugins()).infos()
        shown, token = page(plugins, lambda plugin: plugin.name, request.page_size, request.page_token)
        return pb.ListPluginsResponse(
            plugins=[plugin_to_message(plugin) for plugin in shown], next_page_token=token
        )

    async def ListPreprocessors(  # noqa: N802
        self, request: pb.ListPreprocessorsRequest, context: grpc.aio.ServicerContext
    ) -> pb.ListPreprocessorsResponse:
        """Preprocessors of every plug-in that works."""
        found = await preprocessor_infos(await self._models.plugins(), self._models)
        shown, token = page(found, lambda one: one.name, request.page_size, request.page_token)
        return pb.ListPreprocessorsResponse(
            preprocessors=[preprocessor_to_message(one) for one in shown], next_page_token=token
        )

    async def ListPostprocessors(  # noqa: N802
        self, request: pb.ListPostprocessorsRequest, context: grpc.aio.ServicerContext
    ) -> pb.ListPostprocessorsResponse:
        """Post-processors of every plug-in that works."""
        found = postprocessor_infos(await self._models.plugins())
        shown, token = page(found, lambda one: one.name, request.page_size, request.page_token)
        return pb.ListPostprocessorsResponse(
            postprocessors=[postprocessor_to_message(one) for one in shown], next_page_token=token
        )

    async def Shutdown(  # noqa: N802
        self, request: pb.ShutdownRequest, context: grpc.aio.ServicerContext
    ) -> pb.ShutdownResponse:
        """Drains and ends."""
        queued = len(self._board.queue)
        # After the answer: a server that stops says goodbye on the connection before it, if it is quick.
        loop, seconds = asyncio.get_running_loop(), float(request.drain_seconds)
        context.add_done_callback(lambda _: loop.call_later(GOODBYE_S, self._shut_down, seconds))
        return pb.ShutdownResponse(queued_jobs=queued)
