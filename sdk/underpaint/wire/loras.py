"""LoRAs as protobuf, and what is wrong with one whatever the model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from underpaint.errors import Violation
from underpaint.types import Lora, LoraInfo
from underpaint.v1 import job_service_pb2, model_service_pb2

MAX_LORAS: Final = 16
MAX_LORA_STRENGTH: Final = 10.0
MAX_LORA_NAME: Final = 4096
"""Longest name of a LoRA, which may be a path, in characters."""


def loras_to_messages(loras: Iterable[Lora]) -> list[job_service_pb2.Lora]:
    """LoRAs of a request, as they travel."""
    return [
        job_service_pb2.Lora(
            name=lora.name, strength=lora.strength, text_encoder_strength=lora.text_encoder_strength
        )
        for lora in loras
    ]


def complete_lora(lora: job_service_pb2.Lora) -> None:
    """Fills in the strengths: 1.0, and in the text encoders as in the denoiser."""
    lora.strength = lora.strength if lora.HasField("strength") else 1.0
    if not lora.HasField("text_encoder_strength"):
        lora.text_encoder_strength = lora.strength


def check_loras(loras: Sequence[job_service_pb2.Lora], field: str) -> list[Violation]:
    """Everything that is wrong with a specification's LoRAs, as far as no model is needed for it."""
    if len(loras) > MAX_LORAS:
        return [Violation(f"{field}.loras", f"may hold {MAX_LORAS} LoRAs, got {len(loras)}")]
    found: list[Violation] = []
    for index, given in enumerate(loras):
        where = f"{field}.loras[{index}]"
        lora = job_service_pb2.Lora()
        lora.CopyFrom(given)
        complete_lora(lora)
        if not 1 <= len(lora.name) <= MAX_LORA_NAME:
            text = f"name a LoRA, 1 to {MAX_LORA_NAME} characters, got {len(lora.name)}"
            found.append(Violation(f"{where}.name", text))
        for name in ("strength", "text_encoder_strength"):
            value = getattr(lora, name)
            # Written so that NaN is refused too.
            if given.HasField(name) and not -MAX_LORA_STRENGTH <= value <= MAX_LORA_STRENGTH:
                text = f"must be {-MAX_LORA_STRENGTH:g} to {MAX_LORA_STRENGTH:g}, got {value}"
                found.append(Violation(f"{where}.{name}", text))
    return found


def lora_model_to_info(message: model_service_pb2.LoraModel) -> LoraInfo:
    """A LoRA's file."""
    return LoraInfo(
        name=message.name,
        title=message.title,
        family=message.family,
        path=message.path,
        models=tuple(message.models),
        trigger=message.trigger,
        size_bytes=message.size_bytes,
        problem=message.problem,
        license=message.license,
    )


def info_to_lora_model(info: LoraInfo) -> model_service_pb2.LoraModel:
    """A LoRA's file, as it travels."""
    return model_service_pb2.LoraModel(
        name=info.name,
        title=info.title,
        family=info.family,
        path=info.path,
        models=info.models,
        trigger=info.trigger,
        size_bytes=info.size_bytes,
        problem=info.problem,
        license=info.license,
    )
