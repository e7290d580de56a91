"""LoRAs: small networks that change a model while one picture is painted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Lora:
    """A LoRA and how much it counts, -10.0 to 10.0; 1.0 is as it was trained."""

    name: str
    """From `Client.loras`, or the absolute path of a file on the daemon's machine."""
    strength: float = 1.0
    text_encoder_strength: float | None = None
    """In the text encoders alone; None: as in the denoiser."""


@dataclass(frozen=True, slots=True)
class LoraInfo:
    """A LoRA's file that the daemon found on disk."""

    name: str
    title: str = ""
    family: str = ""
    path: str = ""
    models: tuple[str, ...] = ()
    """Names of the models that it fits."""
    trigger: str = ""
    """Words that its maker says to put into the prompt."""
    size_bytes: int = 0
    problem: str = ""
    license: str = ""
