"""Schedulers and presets as protobuf, and what is wrong with a choice whatever the model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from underpaint.errors import Violation
from underpaint.types import PresetInfo, SchedulerInfo
from underpaint.v1 import model_service_pb2
from underpaint.wire.parameters import parameters_from, parameters_to
from underpaint.wire.ranges import MAX_NAME, MAX_PARAMETERS, check_finite


def check_choice(preset: str, parameters: Mapping[str, float], field: str) -> list[Violation]:
    """What is wrong with the name of a preset and the parameters of a scheduler."""
    found: list[Violation] = []
    if len(preset) > MAX_NAME:
        found.append(Violation(f"{field}.preset", f"may have {MAX_NAME} characters, got {len(preset)}"))
    where = f"{field}.scheduler_parameters"
    if len(parameters) > MAX_PARAMETERS:
        found.append(Violation(where, f"may hold {MAX_PARAMETERS} values, got {len(parameters)}"))
    return found + check_finite(parameters, where)


def schedulers_from(messages: Iterable[model_service_pb2.SchedulerInfo]) -> tuple[SchedulerInfo, ...]:
    """Schedulers of a model."""
    return tuple(SchedulerInfo(one.name, one.title, parameters_from(one.parameters)) for one in messages)


def schedulers_to(infos: Iterable[SchedulerInfo]) -> list[model_service_pb2.SchedulerInfo]:
    """Schedulers of a model, as they travel."""
    return [
        model_service_pb2.SchedulerInfo(
            name=one.name, title=one.title, parameters=parameters_to(one.parameters)
        )
        for one in infos
    ]


def presets_from(messages: Iterable[model_service_pb2.Preset]) -> tuple[PresetInfo, ...]:
    """Presets of a model."""
    return tuple(
        PresetInfo(
            name=one.name,
            title=one.title,
            scheduler=one.scheduler,
            scheduler_parameters=dict(one.scheduler_parameters),
            steps=one.steps,
            guidance_scale=one.guidance_scale,
            lora=one.lora,
            lora_strength=one.lora_strength,
            problem=one.problem,
        )
        for one in messages
    )


def presets_to(infos: Iterable[PresetInfo]) -> list[model_service_pb2.Preset]:
    """Presets of a model, as they travel."""
    return [
        model_service_pb2.Preset(
            name=one.name,
            title=one.title,
            scheduler=one.scheduler,
            scheduler_parameters=one.scheduler_parameters,
            steps=one.steps,
            guidance_scale=one.guidance_scale,
            lora=one.lora,
            lora_strength=one.lora_strength,
            problem=one.problem,
        )
        for one in infos
    ]
