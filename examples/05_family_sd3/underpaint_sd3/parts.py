"""The networks of a Stable Diffusion 3 model."""

from __future__ import annotations

from typing import Any

from underpaint.engine.diffusion.parts import Parts
from underpaint.engine.tiling import Wrap


class SD3Parts(Parts):
    """One model's networks. The VAE is `Parts`' own affair."""

    denoiser = "transformer"

    @property
    def network(self) -> tuple[Any, Wrap]:
        """The transformer, loaded if need be."""
        from diffusers import SD3Transformer2DModel

        return self.components.network(self.denoiser, SD3Transformer2DModel)

    @property
    def inpaints(self) -> bool:
        """Never by itself: inpainting blends latents."""
        return False

    @property
    def guidance_embedded(self) -> bool:
        """Never: guidance costs a second forward pass."""
        return False
