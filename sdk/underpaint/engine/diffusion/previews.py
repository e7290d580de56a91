"""Rough pictures of one model's latents: by a tiny autoencoder that was found, else linearly."""

from __future__ import annotations

import time
from typing import Any

import structlog
import torch

from underpaint.engine.diffusion.autoencoder import Autoencoder
from underpaint.engine.diffusion.components import Components
from underpaint.engine.diffusion.job import DiffusionTask
from underpaint.engine.diffusion.tiny_decoder import TinyDecoder
from underpaint.engine.families.folder import vae_factor
from underpaint.engine.memory.ladder import is_out_of_memory
from underpaint.engine.preview import MAX_EDGE, shown, shrunk
from underpaint.errors import ModelUnusable
from underpaint.types import Preview
from underpaint.weights.safetensors import read_safetensors
from underpaint.weights.tiny_decoders import tiny_decoder_config

log = structlog.get_logger(__name__)

COMPONENT = "preview"
"""The tiny autoencoder (diffusers' `AutoencoderTiny`), where the daemon found one whose latents fit."""
COMPUTING = 128 << 20
"""Bytes that decoding a preview takes at most: four layers of 64 channels, 256 pixels an edge, float32."""
CPU_EDGE = 128
"""Decoded previews are no larger on a CPU, in pixels: one of `MAX_EDGE` takes a core a second there."""
SHARE = 0.1
"""Of a job's time, what its decoded previews may take: on a CPU one takes a while."""


class Previews:
    """For the device's one thread, between steps."""

    def __init__(self, components: Components, autoencoder: Autoencoder) -> None:
        self._components = components
        self._autoencoder = autoencoder
        self._tiny = components.brings(COMPONENT)

    def render(self, latents: torch.Tensor, step: int, job: DiffusionTask) -> Preview | None:
        """Scaled latents `(1, c, h, w)` of a job as a picture; None where the last took too long for one."""
        if self._tiny:
            if time.monotonic() < job.next_preview:
                return None
            try:
                picture = self._decoded(latents, job)
            except ModelUnusable as error:
                # A picture matters more than the way to it: the job goes on with softer previews.
                self._tiny = False
                log.warning(
                    "tiny autoencoder cannot be used", model=self._components.model, problem=str(error)
                )
                job.notes.append(f"Previews were softer than they could be: {error.message}")
                picture = None
            if picture is not None:
                return shown(picture, step)
        return self._autoencoder.projection().render(latents, step, self._autoencoder.factor)

    def _decoded(self, latents: torch.Tensor, job: DiffusionTask) -> torch.Tensor | None:
        """RGB `(3, height, width)` in 0.0 … 1.0; None where there is no memory for it."""
        from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny

        config = self._fitting_config()
        kind: Any = TinyDecoder if self._components.folder(COMPONENT).is_file() else AutoencoderTiny
        held = self._components.spare_network(COMPONENT, kind, COMPUTING, config)
        if held is None:
            return None
        network: Any = held[0]
        # Taking them to the CPU waits for the step that makes them: what is timed is the preview alone.
        edge = CPU_EDGE if self._components.device == "cpu" else MAX_EDGE
        cells = shrunk(latents, self._autoencoder.factor, edge).cpu()
        begun = time.monotonic()
        unscaled = cells / float(config.get("scaling_factor") or 1.0) + float(
            config.get("shift_factor") or 0.0
        )
        try:
            decoded = network.decode(unscaled.to(network.device, network.dtype), return_dict=False)[0]
            picture: torch.Tensor = (decoded[0].float() / 2 + 0.5).clamp(0, 1).cpu()
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                place = self._components.folder(COMPONENT)
                raise ModelUnusable(
                    f"The tiny autoencoder in {place} cannot be run: {error}. Download it again, or "
                    "remove it."
                ) from error
            log.info("no memory for a decoded preview", model=self._components.model)
            return None
        done = time.monotonic()
        job.next_preview = done + (done - begun) * (1 / SHARE - 1)
        return picture

    def _fitting_config(self) -> dict[str, Any]:
        """Its configuration. Raises `ModelUnusable` where its latents are not the model's."""
        place = self._components.folder(COMPONENT)
        try:
            if place.is_file():
                config = tiny_decoder_config(read_safetensors(place)) or {}
            else:
                config = dict(self._components.config(COMPONENT))
        except (OSError, ValueError) as error:
            raise ModelUnusable(
                f"The configuration of the tiny autoencoder in {place} cannot be read ({error}). Download it "
                "again, or remove it."
            ) from error
        wanted = (self._autoencoder.channels, self._autoencoder.factor)
        got = (config.get("latent_channels", 4), vae_factor(config))
        if config.get("_class_name") != "AutoencoderTiny" or got != wanted:
            raise ModelUnusable(
                f"What lies in {place} reads other latents than those of the model "
                f"{self._components.model!r}. Rename it, or remove it."
            )
        return config
