"""A mask in pixels as one in latent cells."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from underpaint.engine.pixels.color import Floats


def mask_to_cells(mask: Floats, factor: int, *, hard: bool) -> torch.Tensor:
    """A mask in pixels as `(1, 1, h, w)` in latent cells.

    A binary mask (or a `hard` one, cut at 0.5) takes each cell's first pixel, as the stock pipelines do; a
    soft one is averaged.
    """
    cells = torch.from_numpy(np.ascontiguousarray(mask, dtype=np.float32))[None, None]
    size = (mask.shape[0] // factor, mask.shape[1] // factor)
    if hard:
        cells = (cells >= 0.5).float()
    if bool(((cells == 0.0) | (cells == 1.0)).all()):
        return functional.interpolate(cells, size)
    return functional.interpolate(cells, size, mode="area")
