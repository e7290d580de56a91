"""Presets: how to paint with a model in few steps, described without its libraries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class PresetLora:
    """The LoRA that a preset needs, and where a person gets it."""

    pattern: str
    """A regular expression that finds it in names and titles of LoRAs, whatever their case. A model whose own
    name it finds needs no LoRA: it is made so already."""
    file: str
    """As its maker calls it."""
    repository: str
    """Where it lies on the Hugging Face Hub."""
    strength: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """Scheduler, steps and guidance; a request's own values go before them."""

    name: str
    title: str
    scheduler: str
    steps: int
    guidance_scale: float = 1.0
    """1.0 means without."""
    scheduler_parameters: Mapping[str, float] = field(default_factory=dict)
    lora: PresetLora | None = None
