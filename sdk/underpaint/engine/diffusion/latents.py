"""Latents before the first step of a denoiser and after each one.

Noise is drawn in the stock pipelines' order from the job's own generator on the CPU: same seed, same picture.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from underpaint.engine.diffusion.cells import mask_to_cells
from underpaint.engine.diffusion.job import DiffusionTask, Pass
from underpaint.engine.diffusion.parts import Parts


def begin(job: DiffusionTask, parts: Parts) -> None:
    """Draws a pass's noise and makes its first latents, from `Pass.encoding` if it starts from a picture."""
    current, generator, autoencoder = job.current, job.generator, parts.autoencoder
    encoded = current.encoding or {}
    if current.reference is not None:
        current.reference_latents = autoencoder.draw(encoded["reference"].result(), None)
    if current.image is None:
        current.noise = draw_noise(current, parts, generator)
        current.latents = current.noise * current.sampler.initial_sigma
        current.encoding = None
        return
    if "image" in encoded:
        # A picture that is looked at as well is encoded without noise: the likeliest latents.
        drawn = generator if current.reference is None else None
        current.image_latents = autoencoder.draw(encoded["image"].result(), drawn)
    elif parts.encodes_regardless and autoencoder.encoding_draws:
        # Nothing of that picture would be left: only its place in the stream is kept.
        draw_noise(current, parts, generator)
    current.noise = draw_noise(current, parts, generator)
    if from_noise(current) or current.image_latents is None:
        current.latents = current.noise * current.sampler.initial_sigma
    else:
        current.latents = current.sampler.noised(current.image_latents, current.noise)
    if current.mask is not None:
        # Where a denoiser takes the hole as all or nothing, so does what goes back around it.
        hard = parts.inpaints and not current.soft
        current.joins = mask_to_cells(current.mask, parts.factor, hard=hard).to(parts.device)
        if parts.inpaints:
            current.hole_cells = parts.hole_cells(current.hole)
            current.masked_latents = autoencoder.draw(encoded["masked"].result(), generator)
        elif autoencoder.encoding_draws:
            # Here the stock pipeline encodes the masked picture and forgets it: keep its place in the stream.
            draw_noise(current, parts, generator)
    current.encoding = None


def from_noise(current: Pass) -> bool:
    """Full strength starts an inpainting from noise alone, and image to image from the picture even so."""
    return current.mask is not None and current.strength >= 1.0


def advance(jobs: Sequence[DiffusionTask], output: torch.Tensor) -> None:
    """After a forward pass: guidance, one step of each job's scheduler, and what is kept put back.

    `output`, float32 `(n, c, h, w)`: a row for each job, or, with guidance, one without the prompts for each
    and then one with them.
    """
    for index, job in enumerate(jobs):
        job.denoiser_calls += 1
        predicted = output[index : index + 1]
        if job.guided:
            with_prompt = output[len(jobs) + index : len(jobs) + index + 1]
            predicted = predicted + job.resolved.guidance_scale * (with_prompt - predicted)
        current = job.current
        assert current.latents is not None
        current.latents = current.sampler.step(predicted, current.latents)
        blend(current)
        if current.sampler.finished and current.refining is not None:
            current.done_before = current.sampler.done
            current.sampler, current.refining, current.refined = current.refining, None, True


def blend(current: Pass) -> None:
    """After a step: what is not repainted, or not yet, goes back to the picture's own noised latents.

    Differential diffusion: a cell of coverage m joins in for the last share m of the steps, so a soft mask
    costs one comparison a step, and a hard one is what the stock pipeline does.
    """
    if current.image_latents is None or current.joins is None or not current.puts_back:
        return
    assert current.latents is not None and current.noise is not None
    sampler = current.sampler
    active = current.joins > 1.0 - sampler.done / len(sampler)
    kept = sampler.noised(current.image_latents, current.noise)
    current.latents = torch.where(active, current.latents, kept)


def draw_noise(current: Pass, parts: Parts, generator: torch.Generator) -> torch.Tensor:
    """Noise for a pass's latents, drawn on the CPU."""
    height, width = current.size.height // parts.factor, current.size.width // parts.factor
    return torch.randn((1, parts.autoencoder.channels, height, width), generator=generator).to(parts.device)
