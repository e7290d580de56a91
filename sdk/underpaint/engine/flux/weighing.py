"""How much controls count at each token of FLUX's picture."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional

from underpaint.engine.controls.plan import PlannedControl
from underpaint.engine.controls.weighing import weights_of
from underpaint.engine.diffusion.job import DiffusionTask
from underpaint.engine.diffusion.rolling import PATCH, offset, rolled
from underpaint.engine.flux.parts import FluxParts


def token_weights(
    controls: Sequence[PlannedControl], jobs: Sequence[DiffusionTask], parts: FluxParts
) -> torch.Tensor:
    """Of each job's control, `(jobs, 1, 1)`, or `(jobs, tokens, 1)` with masks."""
    size, patch = jobs[0].current.size, PATCH * parts.factor
    weight = weights_of(controls, size, parts.device)
    if weight.shape[2:] == (1, 1):
        return weight[:, 0]
    cells = (size.height // parts.factor, size.width // parts.factor)
    weight = all_rolled(functional.interpolate(weight, cells, mode="area"), jobs, 1)
    tokens = functional.interpolate(weight, (size.height // patch, size.width // patch), mode="area")
    return tokens.flatten(2).transpose(1, 2)


def all_rolled(values: torch.Tensor, jobs: Sequence[DiffusionTask], scale: int) -> torch.Tensor:
    """Rows rolled as their jobs' latents are; `scale` is how many values a latent cell spans."""
    rows = []
    for row, job in enumerate(jobs):
        down, right = offset(job)
        rows.append(rolled(values[row : row + 1], (scale * down, scale * right)))
    return torch.cat(rows)
