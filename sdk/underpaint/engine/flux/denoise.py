"""One step of FLUX's transformer for several jobs at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from underpaint.engine.diffusion.denoise import readings
from underpaint.engine.diffusion.job import DiffusionTask
from underpaint.engine.diffusion.latents import advance
from underpaint.engine.diffusion.rolling import PATCH, offset, rolled
from underpaint.engine.diffusion.text import TextEncoding
from underpaint.engine.flux.parts import FluxParts
from underpaint.engine.flux.redux import with_pictures
from underpaint.engine.flux.shown import shown_of
from underpaint.engine.flux.steering import FluxSteering
from underpaint.engine.flux.tokens import SHOWN, from_tokens, places, to_tokens
from underpaint.engine.regions.joint import bias, shares_by_token
from underpaint.engine.regions.reading import shares_of
from underpaint.weights import kinds

TRAINED_STEPS = 1000.0
"""The transformer counts time from 0.0 to 1.0, schedulers from 0 to this."""


def denoise(jobs: Sequence[DiffusionTask], parts: FluxParts, steering: FluxSteering) -> None:
    """The next step of jobs in one bucket, whose latents there are: one forward pass of the transformer."""
    transformer, _ = parts.network
    inputs = with_pictures(jobs, denoiser_inputs(jobs, parts), steering.redux, parts)
    inputs |= steering.nets.arguments(jobs, inputs, parts)
    with steering.references.around(transformer, jobs, parts):
        output = transformer(**inputs, return_dict=False)[0].float()
    height, width = _cells(jobs[0], parts)
    seen = from_tokens(output[:, : height * width // 4], height, width)
    back = [rolled(seen[row : row + 1], offset(job), -1) for row, job in enumerate(_rows(jobs))]
    advance(jobs, torch.cat(back))


def denoiser_inputs(jobs: Sequence[DiffusionTask], parts: FluxParts) -> dict[str, Any]:
    """Arguments for one call of the transformer for all jobs: with guidance without the prompts first."""
    rows, texts = _rows(jobs), readings(jobs)
    height, width = _cells(jobs[0], parts)
    where = [places(height, width)]
    if jobs[0].current.reference_latents is not None:
        where.append(places(height, width, SHOWN))
    guidance = None
    if parts.guidance_embedded:
        guidance = torch.tensor([job.resolved.guidance_scale for job in rows], device=parts.device)
    times = torch.stack([job.current.sampler.timestep.float() for job in rows])
    return {
        "hidden_states": torch.cat([_sequence(job) for job in rows]).to(parts.device, parts.dtype),
        "timestep": (times / TRAINED_STEPS).to(parts.device),
        "guidance": guidance,
        "pooled_projections": torch.cat([text.pooled for text in texts if text.pooled is not None]),
        "encoder_hidden_states": torch.cat([text.hidden for text in texts]),
        "txt_ids": torch.zeros(texts[0].hidden.shape[1], 3, device=parts.device),
        "img_ids": torch.cat(where).to(parts.device),
        **_regional(jobs, texts, pictures=len(where)),
    }


def _regional(
    jobs: Sequence[DiffusionTask], texts: Sequence[TextEncoding], *, pictures: int
) -> dict[str, Any]:
    """The arguments that regions change: their texts behind each row's own, and who reads which."""
    if jobs[0].regions is None:
        return {}
    rows, length = _rows(jobs), texts[0].hidden.shape[1]
    device = texts[0].hidden.device
    told, shares = [], []
    for row, (job, text) in enumerate(zip(rows, texts, strict=True)):
        share, theirs = rolled(shares_of(job)[None], offset(job))[0], job.regional
        if row < len(rows) - len(jobs) and job.regional_negatives:
            theirs = job.regional_negatives
        elif row < len(rows) - len(jobs):
            # Without the prompts: the negative one has everything.
            share = torch.zeros_like(share)
            share[0] = 1.0
        shares.append(shares_by_token(share, PATCH).to(device))
        told.append(torch.cat([text.hidden, *(one.hidden for one in theirs)], dim=1))
    reads = bias(shares, length, pictures)
    hidden = torch.cat(told)
    return {
        "encoder_hidden_states": hidden,
        "txt_ids": torch.zeros(hidden.shape[1], 3, device=device),
        "joint_attention_kwargs": {"attention_mask": reads.to(hidden.dtype)},
    }


def _sequence(job: DiffusionTask) -> torch.Tensor:
    """What the transformer reads of one job, `(1, tokens, channels)`."""
    current, by = job.current, offset(job)
    assert current.latents is not None
    read = [to_tokens(rolled(current.sampler.scale(current.latents), by))]
    if current.masked_latents is not None and current.hole_cells is not None:
        read += [to_tokens(rolled(beside, by)) for beside in (current.masked_latents, current.hole_cells)]
    shown = shown_of(job.controls)
    if shown is not None and shown.kind == kinds.PIPELINE:
        read.append(to_tokens(rolled(current.control_latents[shown], by)))
    tokens = torch.cat(read, dim=2)
    if current.reference_latents is None:
        return tokens
    return torch.cat([tokens, to_tokens(rolled(current.reference_latents, by))], dim=1)


def _rows(jobs: Sequence[DiffusionTask]) -> list[DiffusionTask]:
    """A job for each row of the forward pass."""
    return [*jobs, *jobs] if jobs[0].guided else [*jobs]


def _cells(job: DiffusionTask, parts: FluxParts) -> tuple[int, int]:
    size = job.current.size
    return size.height // parts.factor, size.width // parts.factor
