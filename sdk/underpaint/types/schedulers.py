"""Schedulers, what may be set of them, and named presets of all that few steps need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from underpaint.types.processors import Parameter


@dataclass(frozen=True, slots=True)
class SchedulerInfo:
    """A scheduler that a model runs with."""

    name: str
    title: str = ""
    parameters: tuple[Parameter, ...] = ()
    """What a person may set, for `GenerateRequest.scheduler_parameters`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PresetInfo:
    """A way to paint with a model: scheduler, steps and guidance, and the LoRA that it takes."""

    name: str
    title: str = ""
    scheduler: str = ""
    scheduler_parameters: Mapping[str, float] = field(default_factory=dict)
    steps: int = 0
    guidance_scale: float = 1.0
    lora: str = ""
    """The LoRA that it puts on, if it needs one and there is one; a name from `Client.loras`."""
    lora_strength: float = 1.0
    problem: str = ""
    """What is missing and how to get it; empty if it can be used."""
