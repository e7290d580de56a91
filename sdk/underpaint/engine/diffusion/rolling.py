"""Seamless pictures from a transformer: where its picture ends is somewhere else at each step.

A transformer has no edges to continue at the opposite side, only places, which start anew at the border. So
latents are rolled before each forward pass and back after it: no place on the picture is at the border for
long, and what one step leaves there others paint over.
"""

from __future__ import annotations

import math

import torch

from underpaint.engine.diffusion.job import DiffusionTask

PATCH = 2
"""Cells along a side of what transformers read as one; pictures are rolled by whole ones."""
GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0
"""Share of a side between two steps' borders: multiples of it keep far from one another."""


def offset(job: DiffusionTask) -> tuple[int, int]:
    """Rows and columns of latent cells to roll by in a job's next step; whole patches."""
    current, tiling = job.current, job.image.tiling
    if current.latents is None or not (tiling.x or tiling.y):
        return 0, 0
    height, width = current.latents.shape[2:]
    share = current.sampler.done * GOLDEN % 1.0
    down, right = (int(share * (side // PATCH)) * PATCH for side in (height, width))
    return (down if tiling.y else 0), (right if tiling.x else 0)


def rolled(latents: torch.Tensor, by: tuple[int, int], direction: int = 1) -> torch.Tensor:
    """Latents `(n, c, h, w)` rolled; `direction` -1 puts them back."""
    if not any(by):
        return latents
    return torch.roll(latents, (direction * by[0], direction * by[1]), (2, 3))
