"""ModelService."""

from __future__ import annotations

import grpc

from underpaint.daemon.controls import ControlIndex, roles_of, to_control_info
from underpaint.daemon.loras import LoraIndex, to_lora_info
from underpaint.daemon.models import ModelIndex, to_info
from underpaint.daemon.presets import loras_for, presets_of
from underpaint.daemon.services.paging import page
from underpaint.daemon.supervisor import Supervisor
from underpaint.errors import InvalidRequest, Violation
from underpaint.v1 import model_service_pb2 as pb
from underpaint.v1.model_service_pb2_grpc import ModelServiceServicer
from underpaint.wire.controls import info_to_control_model
from underpaint.wire.loras import info_to_lora_model
from underpaint.wire.models import info_to_model

MAX_PAUSE_S = 3600
"""Seconds that jobs may be made to wait for memory that was given back."""


class ModelService(ModelServiceServicer):
    """Models, as in model_service.proto."""

    def __init__(
        self, models: ModelIndex, controls: ControlIndex, loras: LoraIndex, supervisor: Supervisor
    ) -> None:
        self._models = models
        self._controls = controls
        self._loras = loras
        self._supervisor = supervisor

    async def ListModels(  # noqa: N802
        self, request: pb.ListModelsRequest, context: grpc.aio.ServicerContext
    ) -> pb.ListModelsResponse:
        """Models in the roots, broken ones with their problem."""
        found = await self._models.all(request.kind, recent=bool(request.page_token))
        shown, token = page(found, lambda model: model.name, request.page_size, request.page_token)
        loaded = await self._supervisor.loaded()
        paint, inpaint = await self._models.defaults()
        controls, loras = await self._controls.all(), await loras_for(shown, self._loras)
        infos = (
            to_info(
                model,
                loaded=model.name in loaded,
                controls=roles_of(model, controls),
                presets=presets_of(model, loras),
            )
            for model in shown
        )
        return pb.ListModelsResponse(
            models=map(info_to_model, infos),
            next_page_token=token,
            default_model=paint,
            default_inpaint_model=inpaint,
        )

    async def ListControlModels(  # noqa: N802
        self, request: pb.ListControlModelsRequest, context: grpc.aio.ServicerContext
    ) -> pb.ListControlModelsResponse:
        """Every control model in the roots, broken ones with their problem."""
        found = await self._controls.all()
        shown, token = page(found, lambda control: control.name, request.page_size, request.page_token)
        models = await self._models.all()
        return pb.ListControlModelsResponse(
            control_models=[info_to_control_model(to_control_info(one, models)) for one in shown],
            next_page_token=token,
        )

    async def ListLoras(  # noqa: N802
        self, request: pb.ListLorasRequest, context: grpc.aio.ServicerContext
    ) -> pb.ListLorasResponse:
        """Every LoRA in the roots, broken ones with their problem."""
        found = await self._loras.all()
        shown, token = page(found, lambda lora: lora.name, request.page_size, request.page_token)
        models = await self._models.all("")
        return pb.ListLorasResponse(
            loras=[info_to_lora_model(to_lora_info(one, models)) for one in shown], next_page_token=token
        )

    async def LoadModel(  # noqa: N802
        self, request: pb.LoadModelRequest, context: grpc.aio.ServicerContext
    ) -> pb.LoadModelResponse:
        """Brings a model into memory."""
        name = request.name or (await self._models.defaults())[0]
        model = await self._models.find(name)
        await self._supervisor.load(model)
        roles = roles_of(model, await self._controls.all())
        presets = presets_of(model, await loras_for([model], self._loras))
        info = to_info(model, loaded=True, controls=roles, presets=presets)
        return pb.LoadModelResponse(model=info_to_model(info))

    async def UnloadModel(  # noqa: N802
        self, request: pb.UnloadModelRequest, context: grpc.aio.ServicerContext
    ) -> pb.UnloadModelResponse:
        """Gives its memory back."""
        await self._supervisor.unload(request.name)
        return pb.UnloadModelResponse()

    async def YieldMemory(  # noqa: N802
        self, request: pb.YieldMemoryRequest, context: grpc.aio.ServicerContext
    ) -> pb.YieldMemoryResponse:
        """Gives GPU memory back between two steps."""
        if request.pause_seconds > MAX_PAUSE_S:
            fault = Violation("pause_seconds", f"is {request.pause_seconds}, more than {MAX_PAUSE_S}")
            raise InvalidRequest(f"pause_seconds {fault.description}: ask again later.", violations=[fault])
        freed = await self._supervisor.yield_memory(ram=request.ram, pause_s=request.pause_seconds)
        return pb.YieldMemoryResponse(device_bytes=freed.device_bytes, ram_bytes=freed.ram_bytes)
