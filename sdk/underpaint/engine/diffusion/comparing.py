"""Whether a prompt says what is around a hole already: how well a denoiser finds that with and without it.

A denoiser that is told what a picture shows finds it under noise better than one that is told nothing, and
worse if it is told something else: a diffusion classifier (Li et al. 2023, https://arxiv.org/abs/2303.16203)
with two classes. Only what is known counts; of the hole, the denoiser hears that it is everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace

import numpy as np
import torch

from underpaint.engine.diffusion.cells import mask_to_cells
from underpaint.engine.diffusion.denoise import Conditions, denoiser_inputs
from underpaint.engine.diffusion.job import DiffusionTask, Pass
from underpaint.engine.diffusion.text import TextEncoding
from underpaint.engine.diffusion.unet_parts import UNetParts
from underpaint.engine.family import Assignment
from underpaint.engine.inpaint import resize
from underpaint.engine.pixels.alpha import NEUTRAL
from underpaint.engine.pixels.color import Floats
from underpaint.engine.schedulers import Sampler
from underpaint.types import PlannedStage, StageKind
from underpaint.v1 import job_service_pb2

LEVELS = 8
"""Noise levels that are looked at: all but the first of nine steps, evenly spaced in time."""
SEED = 0
"""Of the noise: what is decided shall not depend on a job's own seed."""
BEHIND = 3
"""Stages of a job that has compared: loading, reading, comparing."""


@dataclass(kw_only=True)
class ComparingTask(DiffusionTask):
    """A job that has yet to find out how much it changes; `decided` makes the one that paints of it."""

    assignment: Assignment
    lower: float
    """What its strength falls to where the prompt says nothing new."""
    agreement: float
    """From what mean gain on that is so; see `ModelTraits.agreement`."""
    without: Sampler
    told: Sampler
    """The noise levels, with the prompt."""
    texts: tuple[TextEncoding, TextEncoding] | None = None
    """The empty prompt and the prompt."""
    probe: DiffusionTask | None = None
    """The job as the denoiser sees it that is asked about the whole picture."""
    clean: torch.Tensor | None = None
    known: torch.Tensor | None = None
    """1.0 for latent cells that count: `(1, 1, h, w)`."""
    gains: list[float] = field(default_factory=list)
    """By noise level, the most noise first: see `gain_of`."""

    @property
    def agrees(self) -> bool:
        """Whether the prompt says what is there."""
        return bool(self.gains) and float(np.mean(self.gains)) >= self.agreement


def gain_of(without: torch.Tensor, told: torch.Tensor, clean: torch.Tensor, known: torch.Tensor) -> float:
    """By what share a prompt makes the error of guessed latents smaller, at most 1.0; negative: larger.

    Guesses and `clean` are `(1, c, h, w)`; only cells where `known`, `(1, 1, h, w)`, is 1.0 count.
    """
    before, after = (((guess - clean).square() * known).sum() for guess in (without, told))
    return float((before - after) / before.clamp_min(1e-12))


def comparing(
    job: DiffusionTask, assignment: Assignment, lower: float, agreement: float, parts: UNetParts
) -> ComparingTask:
    """A planned job with the comparison before everything that it does with its picture. Any thread."""

    def way() -> Sampler:
        # Noise levels are the model's own, whatever the job's scheduler makes of them.
        generator = torch.Generator("cpu")
        return Sampler("ddim", parts.scheduler_config, LEVELS + 1, generator, LEVELS / (LEVELS + 1))

    loading, reading, *others = job.plan
    plan = (loading, reading, PlannedStage(StageKind.ENCODING_IMAGE, 1 + LEVELS), *others)
    given = {one.name: getattr(job, one.name) for one in fields(job)} | {"plan": plan}
    return ComparingTask(
        **given, assignment=assignment, lower=lower, agreement=agreement, without=way(), told=way()
    )


def compare_next(job: ComparingTask, parts: UNetParts, conditions: Conditions) -> bool:
    """Encodes what is known, then looks at it under one level of noise a step; True after the last one."""
    if job.probe is None:
        return not _begin(job, parts)
    probe, clean, known = job.probe, job.clean, job.known
    assert clean is not None and known is not None and probe.current.noise is not None
    noisy = probe.current.latents = job.told.noised(clean, probe.current.noise)
    unet, wrap = parts.network
    inputs = denoiser_inputs([probe], parts)
    inputs["added_cond_kwargs"] = dict(conditions([probe])) or None
    with wrap.around(probe.image.tiling):
        output = unet(**inputs, return_dict=False)[0].float()
    job.denoiser_calls += 1
    job.without.step(output[:1], noisy)
    job.told.step(output[1:], noisy)
    guesses = (job.without.predicted, job.told.predicted)
    assert guesses[0] is not None and guesses[1] is not None, "DDIM guesses"
    job.gains.append(gain_of(guesses[0], guesses[1], clean, known))
    return job.told.finished


def decided(job: ComparingTask, prepare: Callable[[Assignment], DiffusionTask]) -> DiffusionTask:
    """The job planned anew, as if what came of it had been asked for; it goes on where `job` stands.

    Any thread; raises what `prepare` does.
    """
    spec = job_service_pb2.JobSpec()
    spec.CopyFrom(job.assignment.spec)
    spec.seed, spec.inpaint.compare_prompt = job.resolved.seed, False
    notes = list(job.notes)
    if job.agrees and job.lower < job.image.strength:
        spec.inpaint.strength = job.lower
        notes.append(
            "The prompt says what is around the hole already, so the fill goes on with that (strength "
            f"{job.lower:g}). Ask for a strength to have it painted from the prompt."
        )
    other = prepare(replace(job.assignment, spec=spec))
    other.notes = list(dict.fromkeys([*notes, *other.notes]))
    other.text, other.negative = job.text, job.negative
    other.refiner_text, other.refiner_negative = job.refiner_text, job.refiner_negative
    # What lies behind it stays in the plan, so that progress goes on from there.
    other.plan = (*job.plan[:BEHIND], *other.plan[BEHIND - 1 :])
    other.stage_index, other.denoiser_calls = BEHIND, job.denoiser_calls
    return other


def _begin(job: ComparingTask, parts: UNetParts) -> bool:
    """Encodes the picture; False if no latent cell of it is known."""
    current, source, masks = job.current, job.image.source, job.image.masks
    assert current.image is not None and source is not None and masks is not None and job.texts is not None
    size, tiling, vae = current.size, job.image.tiling, parts.autoencoder
    _, wrap = parts.vae

    def encoded(picture: Floats) -> torch.Tensor:
        return vae.draw(vae.moments(vae.pixels(picture), wrap, tiling), None)

    unknown = np.maximum(resize(masks.denoise, size, tiling), 1.0 - resize(source.known, size, tiling))
    job.known = (mask_to_cells(unknown, parts.factor, hard=False) <= 0.0).float().to(parts.device)
    job.clean = encoded(current.image)
    noise = torch.randn(job.clean.shape, generator=torch.Generator("cpu").manual_seed(SEED))
    asked = Pass(size, job.told, 1.0, noise=noise.to(parts.device))
    if parts.inpaints:
        asked.hole_cells = parts.hole_cells(np.ones((size.height, size.width), np.float32))
        asked.masked_latents = encoded(np.full_like(current.image, NEUTRAL))
    plain, told = job.texts
    given = {one.name: getattr(job, one.name) for one in fields(DiffusionTask)}
    asking = {"passes": [asked], "guided": True, "text": told, "negative": plain}
    job.probe = DiffusionTask(**given | asking)
    return bool(job.known.any())
