"""The fake daemon's models, and itself."""

# ruff: noqa: N802 - the protocol names these methods

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from underpaint.errors import ModelNotFound
from underpaint.types import (
    ControlModelInfo,
    LoraInfo,
    PluginInfo,
    PostprocessorInfo,
    PreprocessorInfo,
    ServerInfo,
)
from underpaint.v1 import (
    model_service_pb2,
    model_service_pb2_grpc,
    server_service_pb2,
    server_service_pb2_grpc,
)
from underpaint.wire.controls import info_to_control_model
from underpaint.wire.loras import info_to_lora_model
from underpaint.wire.server import (
    plugin_to_message,
    postprocessor_to_message,
    preprocessor_to_message,
    server_info_to_message,
)


class FakeModels(model_service_pb2_grpc.ModelServiceServicer):
    """ModelService."""

    def __init__(
        self,
        models: list[model_service_pb2.Model],
        control_models: list[ControlModelInfo],
        loras: list[LoraInfo],
    ) -> None:
        self._models = models
        self._control_models = control_models
        self._loras = loras

    async def ListModels(self, request: Any, context: Any) -> model_service_pb2.ListModelsResponse:
        """All of them, on one page."""
        first = self._models[0].name if self._models else ""
        return model_service_pb2.ListModelsResponse(
            models=self._models, default_model=first, default_inpaint_model=first
        )

    async def ListControlModels(
        self, request: Any, context: Any
    ) -> model_service_pb2.ListControlModelsResponse:
        """All of them, on one page."""
        found = map(info_to_control_model, self._control_models)
        return model_service_pb2.ListControlModelsResponse(control_models=found)

    async def ListLoras(self, request: Any, context: Any) -> model_service_pb2.ListLorasResponse:
        """All of them, on one page."""
        return model_service_pb2.ListLorasResponse(loras=map(info_to_lora_model, self._loras))

    async def LoadModel(self, request: Any, context: Any) -> model_service_pb2.LoadModelResponse:
        """Marks it as loaded."""
        model = next((model for model in self._models if model.name == request.name), None)
        if model is None:
            raise ModelNotFound(f"There is no model {request.name!r}.", metadata={"model": request.name})
        model.loaded = True
        return model_service_pb2.LoadModelResponse(model=model)

    async def UnloadModel(self, request: Any, context: Any) -> model_service_pb2.UnloadModelResponse:
        """Marks it, or all, as not loaded."""
        for model in self._models:
            model.loaded = model.loaded and request.name not in ("", model.name)
        return model_service_pb2.UnloadModelResponse()

    async def YieldMemory(self, request: Any, context: Any) -> model_service_pb2.YieldMemoryResponse:
        """A gibibyte for each model on the device; with `ram` they leave memory."""
        loaded = sum(model.loaded for model in self._models)
        for model in self._models:
            model.loaded = model.loaded and not request.ram
        return model_service_pb2.YieldMemoryResponse(device_bytes=loaded << 30)


class FakeServer(server_service_pb2_grpc.ServerServiceServicer):
    """ServerService."""

    def __init__(
        self,
        info: Callable[[], ServerInfo],
        plugins: list[PluginInfo],
        preprocessors: list[PreprocessorInfo],
        postprocessors: list[PostprocessorInfo],
    ) -> None:
        self._info = info
        self._plugins = plugins
        self._preprocessors = preprocessors
        self._postprocessors = postprocessors

    async def GetServerInfo(self, request: Any, context: Any) -> server_service_pb2.GetServerInfoResponse:
        """Versions."""
        return server_info_to_message(self._info())

    async def ListPlugins(self, request: Any, context: Any) -> server_service_pb2.ListPluginsResponse:
        """What a test put there."""
        plugins = [plugin_to_message(plugin) for plugin in self._plugins]
        return server_service_pb2.ListPluginsResponse(plugins=plugins)

    async def Shutdown(self, request: Any, context: Any) -> server_service_pb2.ShutdownResponse:
        """Says what stays queued, and stays."""
        return server_service_pb2.ShutdownResponse(queued_jobs=self._info().active_jobs)

    async def ListPreprocessors(
        self, request: Any, context: Any
    ) -> server_service_pb2.ListPreprocessorsResponse:
        """All of them, on one page."""
        found = map(preprocessor_to_message, self._preprocessors)
        return server_service_pb2.ListPreprocessorsResponse(preprocessors=found)

    async def ListPostprocessors(
        self, request: Any, context: Any
    ) -> server_service_pb2.ListPostprocessorsResponse:
        """All of them, on one page."""
        found = map(postprocessor_to_message, self._postprocessors)
        return server_service_pb2.ListPostprocessorsResponse(postprocessors=found)
