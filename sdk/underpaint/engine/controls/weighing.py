"""How much controls count, cell by cell."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional

from underpaint.engine.controls.plan import PlannedControl
from underpaint.geometry import Size


def weights_of(controls: Sequence[PlannedControl], size: Size, device: str) -> torch.Tensor:
    """How much each job's control counts: `(jobs, 1, 1, 1)`, or `(jobs, 1, height, width)` with masks."""
    strengths = torch.tensor([one.strength for one in controls], device=device)
    weight = strengths[:, None, None, None]
    if all(one.masks is None for one in controls):
        return weight
    everywhere = np.ones((size.height, size.width), np.float32)
    masks = [(everywhere if one.masks is None else one.masks[size])[None] for one in controls]
    return weight * torch.from_numpy(np.stack(masks)).to(device)


def weighted(feature: torch.Tensor, weight: torch.Tensor, rows: int) -> torch.Tensor:
    """A block's feature `(rows * jobs, c, h, w)` times the weight, at the block's own size."""
    if weight.shape[2:] != (1, 1):
        weight = functional.interpolate(weight, feature.shape[2:], mode="area")
    return (feature.float() * torch.cat([weight] * rows)).to(feature.dtype)
