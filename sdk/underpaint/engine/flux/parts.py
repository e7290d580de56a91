"""The networks of a FLUX.1 model."""

from __future__ import annotations

from typing import Any

import torch

from underpaint.engine.diffusion.parts import Parts
from underpaint.engine.diffusion.rolling import PATCH
from underpaint.engine.flux.tokens import mask_channels
from underpaint.engine.pixels.color import Floats
from underpaint.engine.tiling import Wrap


class FluxParts(Parts):
    """One model's networks; see `Parts`."""

    denoiser = "transformer"

    @property
    def network(self) -> tuple[Any, Wrap]:
        """The transformer. It has no convolutions: the switch for edges does nothing."""
        from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel

        return self.components.network(self.denoiser, FluxTransformer2DModel)

    @property
    def inpaints(self) -> bool:
        """Whether this is FLUX.1 Fill."""
        plain = PATCH * PATCH * self.autoencoder.channels
        return int(self.denoiser_config["in_channels"]) not in (plain, 2 * plain)

    @property
    def encodes_regardless(self) -> bool:
        """Always, FLUX.1 Fill's too."""
        return True

    @property
    def guidance_embedded(self) -> bool:
        """Whether the transformer takes the guidance scale, as those distilled from FLUX.1 pro do."""
        return bool(self.denoiser_config.get("guidance_embeds", False))

    def hole_cells(self, hole: Floats) -> torch.Tensor:
        """A cell's pixels as channels, `(1, factor², h, w)`: FLUX.1 Fill's way."""
        return mask_channels(hole, self.factor).to(self.device)
