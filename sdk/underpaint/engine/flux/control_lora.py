"""LoRAs with which FLUX.1 dev reads a control image, worn for the steps in which their control counts.

The transformer's first layer keeps its width: what such a LoRA reads of the image is added to what the layer
says of the latents.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch

from underpaint.engine.controls.plan import PlannedControl
from underpaint.engine.diffusion.job import DiffusionTask
from underpaint.engine.diffusion.rolling import offset, rolled
from underpaint.engine.flux.parts import FluxParts
from underpaint.engine.flux.tokens import to_tokens
from underpaint.engine.loras.plan import PlannedLora
from underpaint.engine.loras.worn import Loras
from underpaint.weights import kinds


def lora_of(controls: Sequence[PlannedControl]) -> PlannedControl | None:
    """The control whose model is such a LoRA, if there is one."""
    return next((one for one in controls if one.kind == kinds.CONTROL_LORA), None)


def as_loras(controls: Sequence[PlannedControl]) -> tuple[PlannedLora, ...]:
    """What is worn for it: the control's strength is the LoRA's."""
    found = lora_of(controls)
    return () if found is None else (PlannedLora(found.folder, found.strength, 0.0),)


def apart(job: DiffusionTask) -> Hashable:
    """What jobs must share for one forward pass: the LoRA that counts in the next step, and its strength."""
    return as_loras(job.steered_by)


def worn(jobs: Sequence[DiffusionTask], loras: Loras, parts: FluxParts) -> AbstractContextManager[None]:
    """Has the LoRA of jobs in one bucket count, with the picture of each beside its latents."""
    wearing = as_loras(jobs[0].steered_by)
    if not wearing:
        return nullcontext()
    seen = torch.cat([_tokens(job) for job in jobs])
    seen = torch.cat([seen, seen]) if jobs[0].guided else seen
    return loras.around((parts.denoiser,), wearing, beside=seen)


def _tokens(job: DiffusionTask) -> torch.Tensor:
    control = lora_of(job.steered_by)
    assert control is not None, "jobs of one bucket have the same controls"
    return to_tokens(rolled(job.current.control_latents[control], offset(job)))
