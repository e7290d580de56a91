"""The networks of a model with a U-Net."""

from __future__ import annotations

from typing import Any

from underpaint.engine.diffusion.parts import Parts
from underpaint.engine.tiling import Wrap


class UNetParts(Parts):
    """One model's networks; see `Parts`."""

    denoiser = "unet"

    @property
    def network(self) -> tuple[Any, Wrap]:
        """The U-Net, and the switch for its edges."""
        from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

        return self.components.network(self.denoiser, UNet2DConditionModel)

    @property
    def inpaints(self) -> bool:
        """Whether the U-Net takes mask and masked picture beside the latents."""
        return int(self.denoiser_config["in_channels"]) != self.autoencoder.channels

    @property
    def text_everywhere(self) -> bool:
        """Whether the U-Net pools the text itself, so that each word counts in every cell at once."""
        return self.denoiser_config.get("addition_embed_type") not in (None, "text_time")

    @property
    def guidance_width(self) -> int | None:
        """Width of the embedded guidance scale, for models distilled with one."""
        width: int | None = self.denoiser_config.get("time_cond_proj_dim")
        return width

    @property
    def guidance_embedded(self) -> bool:
        """Whether there is one."""
        return self.guidance_width is not None
