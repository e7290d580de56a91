"""Models as protobuf, and back."""

from __future__ import annotations

from underpaint.types import ModelInfo
from underpaint.v1 import model_service_pb2
from underpaint.wire.controls import roles_from, roles_to
from underpaint.wire.schedulers import presets_from, presets_to, schedulers_from, schedulers_to


def model_to_info(message: model_service_pb2.Model) -> ModelInfo:
    """A model."""
    return ModelInfo(
        name=message.name,
        title=message.title,
        family=message.family,
        path=message.path,
        operations=tuple(message.operations),
        native_size=message.native_size_px,
        size_multiple=message.size_multiple_px,
        min_size=message.min_size_px,
        max_size=message.max_size_px,
        default_steps=message.default_steps,
        default_guidance_scale=message.default_guidance_scale,
        default_scheduler=message.default_scheduler,
        schedulers=tuple(message.schedulers),
        loaded=message.loaded,
        size_bytes=message.size_bytes,
        problem=message.problem,
        license=message.license,
        native_inpainting=message.native_inpainting,
        controls=roles_from(message.controls),
        # A daemon from before single files knew folders only.
        kind=message.kind or "pipeline",
        regions=message.regions,
        scheduler_info=schedulers_from(message.scheduler_info),
        presets=presets_from(message.presets),
    )


def info_to_model(info: ModelInfo) -> model_service_pb2.Model:
    """A model, as it travels."""
    return model_service_pb2.Model(
        name=info.name,
        title=info.title,
        family=info.family,
        path=info.path,
        operations=info.operations,
        native_size_px=info.native_size,
        size_multiple_px=info.size_multiple,
        min_size_px=info.min_size,
        max_size_px=info.max_size,
        default_steps=info.default_steps,
        default_guidance_scale=info.default_guidance_scale,
        default_scheduler=info.default_scheduler,
        schedulers=info.schedulers,
        loaded=info.loaded,
        size_bytes=info.size_bytes,
        problem=info.problem,
        license=info.license,
        native_inpainting=info.native_inpainting,
        controls=roles_to(info.controls),
        kind=info.kind,
        regions=info.regions,
        scheduler_info=schedulers_to(info.scheduler_info),
        presets=presets_to(info.presets),
    )
