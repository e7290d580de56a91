"""The networks of a U-Net model together: denoiser, autoencoder, text encoders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from underpaint.engine.diffusion.autoencoder import COMPONENT as VAE
from underpaint.engine.diffusion.autoencoder import Autoencoder
from underpaint.engine.diffusion.components import Components
from underpaint.engine.diffusion.text import TextEncoders
from underpaint.engine.tiling import Wrap

UNET = "unet"


class Parts:
    """One model's networks. Reads configurations at once, weights when they are needed.

    `missing`, `load`, `claim` and the networks belong to the device's one thread.
    """

    def __init__(self, components: Components, text: TextEncoders) -> None:
        self.components = components
        self.text = text
        self.autoencoder = Autoencoder(components)
        self.unet_config = components.config(UNET)
        self.scheduler_config = components.config("scheduler", "scheduler_config.json")
        self._names = (*text.components, UNET, VAE)

    @property
    def dtype(self) -> torch.dtype:
        """The number format that the denoiser computes in."""
        return self.components.dtype

    @property
    def device(self) -> str:
        """Where the networks are."""
        return self.components.device

    @property
    def factor(self) -> int:
        """Pixels that a latent cell spans along one side."""
        return self.autoencoder.factor

    @property
    def inpaints(self) -> bool:
        """Whether the denoiser takes mask and masked picture beside the latents."""
        return int(self.unet_config["in_channels"]) != self.autoencoder.channels

    @property
    def guidance_width(self) -> int | None:
        """Width of the embedded guidance scale, for models distilled with one."""
        width: int | None = self.unet_config.get("time_cond_proj_dim")
        return width

    def weights(self) -> dict[str, Path]:
        """Weight files by their path inside the model."""
        return {path: file for name in self._names for path, file in self.components.weights(name).items()}

    def missing(self) -> list[str]:
        """Components that are not in memory."""
        return [name for name in self._names if not self._has(name)]

    def load(self, component: str) -> None:
        """Brings one component into memory."""
        if component == UNET:
            _ = self.unet
        elif component == VAE:
            _ = self.vae
        else:
            self.text.load(component)

    def claim(self) -> None:
        """Brings every component into memory; marks those that another model loaded as used by this one."""
        for component in self._names:
            self.load(component)

    @property
    def unet(self) -> tuple[Any, Wrap]:
        """The denoiser, and the switch for its edges."""
        from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

        return self.components.network(UNET, UNet2DConditionModel)

    @property
    def vae(self) -> tuple[Any, Wrap]:
        """The autoencoder, and the switch for its edges."""
        return self.autoencoder.network

    def _has(self, component: str) -> bool:
        if component == VAE:
            return self.autoencoder.loaded
        return self.text.has(component) if component in self.text.components else self.components.has(UNET)
