"""Models that the daemon knows."""

from __future__ import annotations

from dataclasses import dataclass

from underpaint.types.controls import ControlRole
from underpaint.types.schedulers import PresetInfo, SchedulerInfo


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model that the daemon found on disk. Sizes in pixels.

    `kind` is "pipeline" for a diffusers folder, else a weight file's: "checkpoint", "lora", "vae" and so on.
    """

    name: str
    title: str = ""
    family: str = ""
    path: str = ""
    operations: tuple[str, ...] = ()
    native_size: int = 512
    size_multiple: int = 8
    min_size: int = 64
    max_size: int = 2048
    default_steps: int = 20
    default_guidance_scale: float = 7.5
    default_scheduler: str = ""
    schedulers: tuple[str, ...] = ()
    loaded: bool = False
    size_bytes: int = 0
    problem: str = ""
    license: str = ""
    native_inpainting: bool = False
    controls: tuple[ControlRole, ...] = ()
    """Roles of control images that it takes, by role."""
    kind: str = "pipeline"
    scheduler_info: tuple[SchedulerInfo, ...] = ()
    """What may be set of its schedulers."""
    presets: tuple[PresetInfo, ...] = ()
    """Ways to paint with it in few steps."""
    regions: bool = False
    """Whether it takes `GenerateRequest.regions`."""


@dataclass(frozen=True, slots=True)
class FreedMemory:
    """Bytes that a daemon gave back."""

    device_bytes: int
    """Of graphics cards."""
    ram_bytes: int
    """Of the machine's memory. What moves there from a card counts against it, never below 0."""


@dataclass(frozen=True, slots=True)
class ModelList:
    """Models by name, and which are used when a request names none."""

    models: tuple[ModelInfo, ...]
    default_model: str = ""
    default_inpaint_model: str = ""

    def get(self, name: str) -> ModelInfo | None:
        """The model of that name."""
        return next((model for model in self.models if model.name == name), None)
