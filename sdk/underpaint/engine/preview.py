"""Rough pictures of latents: their size, their bytes, and a linear map to RGB, fitted to each VAE once."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import torch
from torch.nn import functional

from underpaint.engine.pixels.cv import resized
from underpaint.types import Preview

MAX_EDGE = 256
"""Previews are never larger, in pixels."""
_PATCHES = 6
_CELLS = 12


class Projection:
    """Latents to RGB by one matrix. `decode` takes scaled latents `(n, c, h, w)`, gives RGB in 0.0 … 1.0."""

    def __init__(self, decode: Callable[[torch.Tensor], torch.Tensor], channels: int) -> None:
        # A stream of its own: fitting must not move the noise of any job.
        generator = torch.Generator().manual_seed(0)
        flat = torch.randn((_PATCHES, channels, 1, 1), generator=generator)
        coarse = torch.randn((_PATCHES, channels, 3, 3), generator=generator)
        latents = flat + 0.7 * functional.interpolate(coarse, (_CELLS, _CELLS), mode="bilinear")
        picture = functional.adaptive_avg_pool2d(decode(latents).float(), (_CELLS, _CELLS))
        inputs = latents.permute(0, 2, 3, 1).reshape(-1, channels)
        inputs = torch.cat([inputs, torch.ones(len(inputs), 1)], dim=1)
        wanted = picture.permute(0, 2, 3, 1).reshape(-1, 3).cpu()
        self._matrix = torch.linalg.lstsq(inputs, wanted).solution.numpy()

    def render(self, latents: torch.Tensor, step: int, factor: int) -> Preview:
        """Latents `(1, c, h, w)` as a picture; `factor` pixels a cell, shrunk to `MAX_EDGE`."""
        cells = latents[0].float().permute(1, 2, 0).cpu().numpy()
        rgb = np.clip(cells @ self._matrix[:-1] + self._matrix[-1], 0.0, 1.0)
        height, width = rgb.shape[:2]
        scale = min(1.0, MAX_EDGE / (factor * max(width, height))) * factor
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        shown = resized(rgb.astype(np.float32), *size, cv2.INTER_LINEAR)
        pixels = np.rint(np.clip(shown, 0.0, 1.0) * 255.0).astype(np.uint8)
        return Preview(step=step, width=size[0], height=size[1], rgb=pixels.tobytes())


def shrunk(latents: torch.Tensor, factor: int, edge: int = MAX_EDGE) -> torch.Tensor:
    """Latents `(1, c, h, w)` of cells `factor` pixels wide, averaged to `edge` pixels at most."""
    height, width = latents.shape[-2:]
    scale = edge // factor / max(height, width)
    if scale >= 1.0:
        return latents.float()
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    return functional.interpolate(latents.float(), size, mode="area")


def shown(picture: torch.Tensor, step: int) -> Preview:
    """RGB `(3, height, width)` in 0.0 … 1.0 on the CPU as a preview."""
    pixels = np.rint(picture.permute(1, 2, 0).numpy() * 255.0).astype(np.uint8)
    return Preview(step=step, width=pixels.shape[1], height=pixels.shape[0], rgb=pixels.tobytes())
