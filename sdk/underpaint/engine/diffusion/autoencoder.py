"""Pictures to latents and back: `AutoencoderKL` and `AutoencoderTiny`, their scaling and their precision."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from underpaint.engine.diffusion.components import Components
from underpaint.engine.diffusion.vae_tiles import smaller
from underpaint.engine.families.folder import vae_factor
from underpaint.engine.memory.estimates import Need, vae_bytes
from underpaint.engine.pixels.color import Floats
from underpaint.engine.preview import Projection
from underpaint.engine.tiling import Wrap
from underpaint.errors import ModelUnusable
from underpaint.geometry import Size
from underpaint.types import Tiling

COMPONENT = "vae"
MAX_WEIGHTS = 512 << 20
"""Bytes that a VAE takes at most: one that lies in a checkpoint's file is a small part of it."""
KINDS = ("AutoencoderKL", "AutoencoderTiny")


class Autoencoder:
    """One model's VAE. Its configuration may be read by any thread; the rest is the device thread's."""

    def __init__(self, components: Components) -> None:
        self._components = components
        self._projection: Projection | None = None
        self.config = components.config(COMPONENT)
        self._kind = str(self.config.get("_class_name"))
        if self._kind not in KINDS:
            raise ModelUnusable(
                f"The VAE of the model {components.model!r} is {self._kind}, and only {', '.join(KINDS)} "
                "can be run. Replace its VAE, or use another model.",
                metadata={"model": components.model, "path": str(components.folder(COMPONENT))},
            )
        self.factor = vae_factor(self.config)
        """Pixels that a latent cell spans along one side."""
        self.channels = int(self.config.get("latent_channels", 4))
        upcast = components.dtype is torch.float16 and self.config.get("force_upcast", False)
        # SDXL's overflows in float16 (its configuration says so): black pictures.
        self.dtype = torch.float32 if upcast else components.dtype
        """The number format that it computes in."""

    @property
    def loaded(self) -> bool:
        """Whether it is in memory."""
        return self._components.has(COMPONENT, self.dtype)

    @property
    def network(self) -> tuple[Any, Wrap]:
        """The network, loaded if need be, and the switch for its edges."""
        from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
        from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny

        kinds = {"AutoencoderKL": AutoencoderKL, "AutoencoderTiny": AutoencoderTiny}
        return self._components.network(COMPONENT, kinds[self._kind], self.dtype)

    @property
    def encoding_draws(self) -> bool:
        """Whether encoding a picture takes noise from the job's generator."""
        return self._kind == "AutoencoderKL"

    def encode(self, rgb: Floats, generator: torch.Generator | None) -> torch.Tensor:
        """A picture `(height, width, 3)` in 0.0 … 1.0 as scaled float32 latents `(1, c, h, w)`.

        Drawn with `generator`; None: the likeliest ones.
        """
        _, wrap = self.network
        return self.draw(self.moments(self.pixels(rgb), wrap, Tiling.NONE), generator)

    def pixels(self, rgb: Floats) -> torch.Tensor:
        """A picture `(height, width, 3)` in 0.0 … 1.0 as `(1, 3, height, width)`."""
        return torch.from_numpy(np.ascontiguousarray(rgb.transpose(2, 0, 1)))[None]

    def moments(self, pixels: torch.Tensor, wrap: Wrap, tiling: Tiling) -> torch.Tensor:
        """What encoding `(1, 3, height, width)` gives before anything is drawn from it.

        Mean and spread `(1, 2c, h, w)` for `AutoencoderKL`, latents `(1, c, h, w)` for `AutoencoderTiny`.
        """
        vae, _ = self.network
        with wrap.around(tiling):
            encoded = vae.encode((2.0 * pixels - 1.0).to(self._components.device, self.dtype))
        found: torch.Tensor = encoded.latent_dist.parameters if self.encoding_draws else encoded.latents
        return found

    def draw(self, moments: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
        """Scaled float32 latents `(1, c, h, w)`, drawn with `generator`; None: the likeliest ones."""
        from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution

        latents = moments.to(self._components.device, self.dtype)
        if self.encoding_draws:
            drawn = DiagonalGaussianDistribution(latents)
            latents = drawn.mode() if generator is None else drawn.sample(generator)
        mean, spread = self._statistics(latents.device)
        vae, _ = self.network
        scaled: torch.Tensor = (latents.float() - mean) * vae.config.scaling_factor / spread
        return scaled

    def decode_tile(self, latents: torch.Tensor, wrap: Wrap, tiling: Tiling) -> torch.Tensor:
        """As `decode`, going round along the axes of `tiling`."""
        with wrap.around(tiling):
            return self.decode(latents)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Scaled latents `(n, c, h, w)` as RGB `(n, 3, height, width)` in 0.0 … 1.0, float32."""
        vae, _ = self.network
        latents = latents.to(self._components.device)
        mean, spread = self._statistics(latents.device)
        unscaled = latents * spread / vae.config.scaling_factor + mean
        pixels: torch.Tensor = vae.decode(unscaled.to(self.dtype), return_dict=False)[0]
        return (pixels.float() / 2 + 0.5).clamp(0, 1)

    def need(self, size: Size, rows: int, *, encoding: bool) -> Need:
        """What so many pictures, or tiles, of a size take at once, as far as is known beforehand."""
        what = f"{self._kind} {'encode' if encoding else 'decode'}"
        return Need(what, vae_bytes(self.config, size, rows, self.dtype.itemsize, encoding=encoding))

    def edge_for(self, size: Size, *, encoding: bool) -> int:
        """The longest edge of tiles, in latent cells, that there is memory for; 0: no tiles. Any thread."""
        broker = self._components.broker
        weights = sum(path.stat().st_size for path in self._components.weights(COMPONENT).values())
        room = broker.capacity - min(weights, MAX_WEIGHTS)
        longest = max(size.width, size.height) // self.factor
        edge, tile = 0, size
        while broker.estimates.bytes(self.need(tile, 1, encoding=encoding)) > room:
            less = smaller(edge, longest)
            if less is None:
                break
            edge = less
            tile = Size(min(size.width, edge * self.factor), min(size.height, edge * self.factor))
        return edge

    def projection(self) -> Projection:
        """How previews get from latents to colours."""
        if self._projection is None:
            self._projection = Projection(self.decode, self.channels)
        return self._projection

    def _statistics(self, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """What latents are shifted by and divided by, channel by channel where the model normalises them."""
        mean, spread = self.config.get("latents_mean"), self.config.get("latents_std")
        if mean is None or spread is None:
            shift = float(self.config.get("shift_factor") or 0.0)
            return torch.full((1,), shift, device=device), torch.ones(1, device=device)
        shape = (1, self.channels, 1, 1)
        return torch.tensor(mean, device=device).view(shape), torch.tensor(spread, device=device).view(shape)
