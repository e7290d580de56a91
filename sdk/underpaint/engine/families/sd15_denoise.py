"""Latents of Stable Diffusion 1.5 before, in and after a step of the denoiser.

Noise is drawn in the stock pipelines' order from the job's own generator on the CPU: same seed, same picture.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.nn import functional

from underpaint.engine.families.sd15_job import Pass, Sd15Task
from underpaint.engine.families.sd15_parts import Parts
from underpaint.engine.pixels.color import Floats


def begin(job: Sd15Task, parts: Parts) -> None:
    """Draws a pass's noise and makes its first latents; encodes the picture where there is one."""
    current, generator = job.current, job.generator
    if current.image is None:
        current.noise = _noise(current, parts, generator)
        current.latents = current.noise * current.sampler.initial_sigma
        return
    native = int(parts.unet_config["in_channels"]) != int(parts.vae_config.get("latent_channels", 4))
    # Full strength starts an inpainting from noise alone, and image to image from the picture even so.
    from_noise = current.mask is not None and current.strength >= 1.0
    _, wrap = parts.vae
    with wrap.around(job.image.tiling):
        if not (native and from_noise):
            current.image_latents = parts.encode(current.image, generator)
        current.noise = _noise(current, parts, generator)
        if from_noise or current.image_latents is None:
            current.latents = current.noise * current.sampler.initial_sigma
        else:
            current.latents = current.sampler.noised(current.image_latents, current.noise)
        if current.mask is None:
            return
        current.mask_cells = mask_to_cells(current.mask, parts.factor, hard=native).to(parts.device)
        if native:
            hole = (current.mask < 0.5).astype(np.float32)[..., None]
            # A masked pixel is 0.0 between -1.0 and 1.0: grey.
            current.masked_latents = parts.encode((current.image - 0.5) * hole + 0.5, generator)
        elif parts.encoding_draws:
            # Here the stock pipeline encodes the masked picture and forgets it: keep its place in the stream.
            _noise(current, parts, generator)


def denoiser_inputs(jobs: list[Sd15Task], parts: Parts, guidance_width: int | None) -> dict[str, Any]:
    """Arguments for one call of the U-Net for all jobs: without the prompts first, then with them."""
    samples, timesteps = [], []
    for job in jobs:
        current = job.current
        assert current.latents is not None
        sample = current.sampler.scale(current.latents)
        if current.masked_latents is not None and current.mask_cells is not None:
            sample = torch.cat([sample, current.mask_cells, current.masked_latents], dim=1)
        samples.append(sample)
        timesteps.append(current.sampler.timestep.float())
    texts = [job.text for job in jobs if job.text is not None]
    if jobs[0].guided:
        texts = [job.negative for job in jobs if job.negative is not None] + texts
        samples, timesteps = samples * 2, timesteps * 2
    condition = None
    if guidance_width is not None:
        scales = [job.resolved.guidance_scale for job in jobs]
        condition = _guidance_embedding(scales, guidance_width).to(parts.device, parts.dtype)
    return {
        "sample": torch.cat(samples).to(parts.device, parts.dtype),
        "timestep": torch.stack(timesteps).to(parts.device),
        "encoder_hidden_states": torch.cat(texts),
        "timestep_cond": condition,
    }


def blend(current: Pass) -> None:
    """After a step: what is not repainted, or not yet, goes back to the picture's own noised latents.

    Differential diffusion: a cell of coverage m joins in for the last share m of the steps, so a soft mask
    costs one comparison a step, and a hard one is what the stock pipeline does.
    """
    if current.image_latents is None or current.mask_cells is None or current.masked_latents is not None:
        return
    assert current.latents is not None and current.noise is not None
    sampler = current.sampler
    active = current.mask_cells > 1.0 - sampler.done / len(sampler)
    kept = sampler.noised(current.image_latents, current.noise)
    current.latents = torch.where(active, current.latents, kept)


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


def _noise(current: Pass, parts: Parts, generator: torch.Generator) -> torch.Tensor:
    channels = int(parts.vae_config.get("latent_channels", 4))
    shape = (1, channels, current.size.height // parts.factor, current.size.width // parts.factor)
    return torch.randn(shape, generator=generator).to(parts.device)


def _guidance_embedding(scales: list[float], width: int) -> torch.Tensor:
    from diffusers.models.embeddings import get_timestep_embedding

    embedding: torch.Tensor = get_timestep_embedding(
        (torch.tensor(scales) - 1.0) * 1000.0, width, downscale_freq_shift=1
    )
    return embedding
