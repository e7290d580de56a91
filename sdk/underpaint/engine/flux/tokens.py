"""Latents as the sequence that FLUX's transformer reads: patches of two by two cells, each with its place."""

from __future__ import annotations

import numpy as np
import torch

from underpaint.engine.diffusion.rolling import PATCH
from underpaint.engine.pixels.color import Floats

PAINTED, SHOWN = 0, 1
"""First number of a token's place: of what is painted, and of a picture that is only looked at."""


def to_tokens(latents: torch.Tensor) -> torch.Tensor:
    """Latents `(n, c, h, w)` as `(n, h/2 * w/2, 4c)`: row by row, a channel's four cells side by side."""
    count, channels, height, width = latents.shape
    patches = latents.unfold(2, PATCH, PATCH).unfold(3, PATCH, PATCH)
    patches = patches.permute(0, 2, 3, 1, 4, 5)
    return patches.reshape(count, height // PATCH * (width // PATCH), channels * PATCH * PATCH)


def from_tokens(tokens: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """The reverse, for latents of `height` times `width` cells."""
    count, _, depth = tokens.shape
    grid = tokens.reshape(count, height // PATCH, width // PATCH, depth // PATCH**2, PATCH, PATCH)
    return grid.permute(0, 3, 1, 4, 2, 5).reshape(count, depth // PATCH**2, height, width)


def places(height: int, width: int, what: int = PAINTED) -> torch.Tensor:
    """Where each token of a picture of so many cells is, `(tokens, 3)`: what, row, column."""
    rows, columns = torch.arange(height // PATCH), torch.arange(width // PATCH)
    kind = torch.tensor([what])
    return torch.cartesian_prod(kind, rows, columns).float()


def mask_channels(hole: Floats, factor: int) -> torch.Tensor:
    """A hole `(height, width)`, 1.0 or 0.0, as `(1, factor², h, w)`: a cell's pixels are its channels."""
    height, width = hole.shape[0] // factor, hole.shape[1] // factor
    pixels = torch.from_numpy(np.ascontiguousarray(hole)).reshape(1, height, factor, width, factor)
    return pixels.permute(0, 2, 4, 1, 3).reshape(1, factor * factor, height, width)
