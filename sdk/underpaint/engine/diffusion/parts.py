"""The networks of a model together: denoiser, autoencoder, text encoders."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import torch

from underpaint.engine.diffusion.autoencoder import COMPONENT as VAE
from underpaint.engine.diffusion.autoencoder import Autoencoder
from underpaint.engine.diffusion.cells import mask_to_cells
from underpaint.engine.diffusion.components import Components
from underpaint.engine.diffusion.text import TextReader
from underpaint.engine.pixels.color import Floats
from underpaint.engine.tiling import Wrap


class Parts(ABC):
    """One model's networks. Reads configurations at once, weights when they are needed.

    `missing`, `load`, `claim` and the networks belong to the device's one thread.
    """

    denoiser: ClassVar[str]
    """The denoiser's component."""

    def __init__(self, components: Components, text: TextReader) -> None:
        self.components = components
        self.text = text
        self.autoencoder = Autoencoder(components)
        self.denoiser_config = components.config(self.denoiser)
        self.scheduler_config = components.config("scheduler", "scheduler_config.json")
        self._names = (*text.components, self.denoiser, VAE)

    @property
    @abstractmethod
    def network(self) -> tuple[Any, Wrap]:
        """The denoiser, loaded if need be, and the switch for its edges."""

    @property
    @abstractmethod
    def inpaints(self) -> bool:
        """Whether the denoiser takes mask and masked picture beside the latents."""

    @property
    def encodes_regardless(self) -> bool:
        """Whether the stock inpainting draws noise for the picture even where nothing of it is left."""
        return not self.inpaints

    @property
    @abstractmethod
    def guidance_embedded(self) -> bool:
        """Whether the denoiser takes the guidance scale as a number, in place of a second forward pass."""

    @property
    def text_everywhere(self) -> bool:
        """Whether each word of a prompt counts in every cell at once, so that none can be told a place."""
        return False

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

    def weights(self) -> dict[str, Path]:
        """Weight files by their path inside the model."""
        return {path: file for name in self._names for path, file in self.components.weights(name).items()}

    def missing(self) -> list[str]:
        """Components that are not in memory."""
        return [name for name in self._names if not self._has(name)]

    def load(self, component: str) -> None:
        """Brings one component into memory."""
        if component == self.denoiser:
            _ = self.network
        elif component == VAE:
            _ = self.vae
        else:
            self.text.load(component)

    def module(self, component: str) -> torch.nn.Module:
        """The denoiser or a text encoder alone, loaded if need be."""
        if component == self.denoiser:
            network: torch.nn.Module = self.network[0]
            return network
        return self.text.module(component)

    def claim(self) -> None:
        """Brings every component into memory; marks those that another model loaded as used by this one."""
        for component in self._names:
            self.load(component)

    @property
    def vae(self) -> tuple[Any, Wrap]:
        """The autoencoder, and the switch for its edges."""
        return self.autoencoder.network

    def hole_cells(self, hole: Floats) -> torch.Tensor:
        """A hole `(height, width)` in pixels, 1.0 or 0.0, as a denoiser that takes one wants it.

        `(1, 1, h, w)` in latent cells; some want more channels.
        """
        return mask_to_cells(hole, self.factor, hard=True).to(self.device)

    def _has(self, component: str) -> bool:
        if component == VAE:
            return self.autoencoder.loaded
        if component in self.text.components:
            return self.text.has(component)
        return self.components.has(self.denoiser)
