"""ModelService."""

from __future__ import annotations

import grpc

from underpaint.daemon.models import ModelIndex, to_info
from underpaint.daemon.services.paging import page
from underpaint.daemon.supervisor import Supervisor
from underpaint.v1 import model_service_pb2 as pb
from underpaint.v1.model_service_pb2_grpc import ModelServiceServicer
from underpaint.wire.models import info_to_model


class ModelService(ModelServiceServicer):
    """Models, as in model_service.proto."""

    def __init__(self, models: ModelIndex, supervisor: Supervisor) -> None:
        self._models = models
        self._supervisor = supervisor

    async def ListModels(  # noqa: N802
        self, request: pb.ListModelsRequest, context: grpc.aio.ServicerContext
    ) -> pb.ListModelsResponse:
        """Every model in the roots, broken ones with their problem."""
        found = await self._models.all()
        shown, token = page(found, lambda model: model.name, request.page_size, request.page_token)
        loaded = await self._supervisor.loaded()
        paint, inpaint = await self._models.defaults()
        return pb.ListModelsResponse(
            models=[info_to_model(to_info(model, loaded=model.name in loaded)) for model in shown],
            next_page_token=token,
            default_model=paint,
            default_inpaint_model=inpaint,
        )

    async def LoadModel(  # noqa: N802
        self, request: pb.LoadModelRequest, context: grpc.aio.ServicerContext
    ) -> pb.LoadModelResponse:
        """Brings a model into memory."""
        name = request.name or (await self._models.defaults())[0]
        model = await self._models.find(name)
        await self._supervisor.load(model)
        return pb.LoadModelResponse(model=info_to_model(to_info(model, loaded=True)))

    async def UnloadModel(  # noqa: N802
        self, request: pb.UnloadModelRequest, context: grpc.aio.ServicerContext
    ) -> pb.UnloadModelResponse:
        """Gives its memory back."""
        await self._supervisor.unload(request.name)
        return pb.UnloadModelResponse()
