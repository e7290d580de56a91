"""One step of a U-Net for several jobs at once, and guidance."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import torch

from underpaint.engine.diffusion.job import DiffusionTask
from underpaint.engine.diffusion.latents import advance, begin
from underpaint.engine.diffusion.text import TextEncoding
from underpaint.engine.diffusion.unet_parts import UNetParts
from underpaint.engine.regions.attention import Asked
from underpaint.engine.regions.reading import mixed, rows_apart, told_by_place

Conditions = Callable[[Sequence[DiffusionTask]], Mapping[str, torch.Tensor]]
"""What a family's U-Net takes beside text, for jobs of one bucket, in `denoiser_inputs`' order."""

Told = Callable[[Any, Sequence[DiffusionTask]], AbstractContextManager[None]]
"""Has a network's cross-attentions read the texts of jobs' regions where they count, while it is called."""


class Steering(Protocol):
    """What controls do to a step."""

    def arguments(
        self, jobs: Sequence[DiffusionTask], inputs: Mapping[str, Any], told: Told
    ) -> Mapping[str, Any]:
        """What they add to the arguments of the U-Net, given all others.

        Around the call of a network with the same text, for some of the jobs, goes `told`.
        """

    def around(
        self, jobs: Sequence[DiffusionTask], unet: Any, inputs: Mapping[str, Any]
    ) -> AbstractContextManager[None]:
        """What they change in the U-Net while it runs."""


def denoise(
    jobs: Sequence[DiffusionTask],
    parts: UNetParts,
    conditions: Conditions,
    steering: Steering,
    asked: Asked,
) -> None:
    """The next step of jobs in one bucket: one forward pass of the U-Net. `asked` follows its attentions."""
    for job in jobs:
        if job.current.latents is None:
            begin(job, parts)
    unet, wrap = parts.network
    inputs = denoiser_inputs(jobs, parts)
    inputs["added_cond_kwargs"] = dict(conditions(jobs)) or None
    apart = parts.text_everywhere

    def told(network: Any, whose: Sequence[DiffusionTask]) -> AbstractContextManager[None]:
        return nullcontext() if apart else told_by_place(network, whose, asked)

    inputs |= steering.arguments(jobs, inputs, told)
    with wrap.around(jobs[0].image.tiling), steering.around(jobs, unet, inputs), told(unet, jobs):
        output = unet(**inputs, return_dict=False)[0].float()
    advance(jobs, mixed(jobs, output) if apart else output)


def denoiser_inputs(jobs: Sequence[DiffusionTask], parts: UNetParts) -> dict[str, Any]:
    """Arguments for one call of the U-Net for all jobs: without the prompts first, then with them."""
    samples, timesteps = [], []
    for job in jobs:
        current = job.current
        assert current.latents is not None
        sample = current.sampler.scale(current.latents)
        if current.masked_latents is not None and current.hole_cells is not None:
            sample = torch.cat([sample, current.hole_cells, current.masked_latents], dim=1)
        samples.append(sample)
        timesteps.append(current.sampler.timestep.float())
    texts = rows_apart(jobs) if parts.text_everywhere else readings(jobs)
    rows = len(texts) // len(jobs)
    samples, timesteps = samples * rows, timesteps * rows
    condition = None
    if parts.guidance_width is not None:
        scales = [job.resolved.guidance_scale for job in jobs] * rows
        condition = _guidance_embedding(scales, parts.guidance_width).to(parts.device, parts.dtype)
    return {
        "sample": torch.cat(samples).to(parts.device, parts.dtype),
        "timestep": torch.stack(timesteps).to(parts.device),
        "encoder_hidden_states": torch.cat([text.hidden for text in texts]),
        "timestep_cond": condition,
    }


def readings(jobs: Sequence[DiffusionTask]) -> list[TextEncoding]:
    """The jobs' texts in the order of `denoiser_inputs`: negative prompts first, where there is guidance."""
    texts = [job.reading[0] for job in jobs]
    if jobs[0].guided:
        texts = [job.reading[1] for job in jobs] + texts
    return [text for text in texts if text is not None]


def _guidance_embedding(scales: list[float], width: int) -> torch.Tensor:
    from diffusers.models.embeddings import get_timestep_embedding

    embedding: torch.Tensor = get_timestep_embedding(
        (torch.tensor(scales) - 1.0) * 1000.0, width, downscale_freq_shift=1
    )
    return embedding
