"""The VAE and noise as tools: latents encoded, decoded, noised to a step, denoised from it.

Pictures go through the VAE in one piece. Noise is drawn where image to image draws it, so that noising to a
step and denoising from it with one seed makes the same latents, bit by bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch

from underpaint.engine.diffusion.job import DiffusionTask, Pass, SamplerMaker
from underpaint.engine.diffusion.latents import draw_noise
from underpaint.engine.diffusion.parts import Parts
from underpaint.engine.family import Assignment, Picture
from underpaint.engine.pixels import canonicalise, encode, fill_transparent
from underpaint.engine.pixels.color import Floats
from underpaint.engine.plan import ImagePlan, opaque, resolve
from underpaint.engine.prompts import choose_wildcards
from underpaint.engine.schedulers import Sampler
from underpaint.errors import InvalidRequest, Violation
from underpaint.geometry import Size, SizePlan
from underpaint.hookspecs import ModelTraits
from underpaint.types import (
    LATENTS_FORMAT,
    Alpha,
    Channels,
    LatentsAction,
    PixelFormat,
    PlannedStage,
    ResultForm,
    StageKind,
    Tiling,
)
from underpaint.v1 import job_service_pb2
from underpaint.wire.images import format_of
from underpaint.wire.latents import ACTIONS

_RGB = PixelFormat(Channels.RGB, alpha=Alpha.NONE)
_NUDGES = (0.0, 1e-9, -1e-9)
"""Added to a strength, as rounding may keep its product with the steps from being a whole number."""


@dataclass(kw_only=True)
class LatentsTask(DiffusionTask):
    """One use of these tools."""

    action: LatentsAction
    given: Floats
    """RGB `(height, width, 3)` to encode; else latents `(channels, h, w)`."""
    behind: tuple[Sampler, ...] = ()
    """Noising with step pictures: for each step behind the one that is asked for, the last one first."""
    to_show: list[torch.Tensor] = field(default_factory=list)
    """Latents to decode, each `(1, channels, h, w)`."""
    shown: list[Floats] = field(default_factory=list)
    """What was decoded of them, RGB `(height, width, 3)`."""

    @property
    def looking_at(self) -> None:
        """No reference: these tools take none."""
        return None

    @property
    def step_pictures(self) -> bool:
        """Whether the latents of each step are decoded."""
        return self.resolved.use_latents.step_pictures


def plan_latents(
    assignment: Assignment,
    traits: ModelTraits,
    model: str,
    parts: Parts,
    sampler: SamplerMaker,
    *,
    guided: Callable[[job_service_pb2.JobSpec], bool],
    missing: int,
) -> LatentsTask:
    """Checks and plans one use; `missing`: networks to load. Any thread. Raises `InvalidRequest`."""
    spec = resolve(assignment, traits, model)
    notes, use = choose_wildcards(spec), spec.use_latents
    action = next(action for action, number in ACTIONS.items() if number == use.action)
    given, size = _given(assignment, use, action, parts)
    generator = torch.Generator("cpu").manual_seed(spec.seed)
    parameters = dict(spec.scheduler_parameters)
    path = partial(sampler, spec.scheduler, spec.steps, generator, size, parameters=parameters)
    make = partial(_before, path, spec.steps)
    here = make(use.step)
    behind: tuple[Sampler, ...] = ()
    if action is LatentsAction.NOISE and use.step_pictures:
        behind = tuple(make(step) for step in range(spec.steps - 1, use.step, -1))
    plan = ImagePlan(
        "latents",
        SizePlan(size, size, size, size),
        1.0,
        Tiling.NONE,
        ResultForm.MERGED,
        format_of(spec.output_layout),
        x=use.image.x_px,
        y=use.image.y_px,
    )
    return LatentsTask(
        job=assignment.job,
        plan=_stages(action, missing, len(here), len(behind) + 2, use),
        resolved=spec,
        notes=notes,
        image=plan,
        passes=[Pass(size, here, 1.0)],
        generator=generator,
        controls=(),
        loras=(),
        guided=guided(spec),
        action=action,
        given=given,
        behind=behind,
    )


def begin_latents(job: LatentsTask, parts: Parts) -> None:
    """Encodes the picture, or puts noise on the latents."""
    current = job.current
    if job.action is LatentsAction.ENCODE:
        current.latents = parts.autoencoder.encode(job.given, job.generator)
        return
    noise = _drawn(job, parts)
    clean = _tensor(job, parts)
    current.latents = current.sampler.noised(clean, noise)
    if job.step_pictures:
        job.to_show = [clean]
        for sampler in job.behind:
            job.to_show.append(sampler.scale(sampler.noised(clean, noise)))
        job.to_show.append(current.sampler.scale(current.latents))


def before_step(job: LatentsTask, parts: Parts) -> None:
    """Before a denoising step: the latents as they were given, and what is to be shown of them."""
    current = job.current
    if current.latents is None:
        # What stands before this step has drawn noise from the same seed.
        _drawn(job, parts)
        current.latents = _tensor(job, parts)
    if job.step_pictures:
        job.to_show.append(current.sampler.scale(current.latents))


def show_next(job: LatentsTask, parts: Parts) -> None:
    """Decodes the next latents that are to be shown."""
    if job.action is LatentsAction.DECODE:
        job.to_show = [_tensor(job, parts)]
    elif job.action is LatentsAction.DENOISE and job.stage_step == 0 and job.current.latents is not None:
        job.to_show.append(job.current.latents)
    pixels = parts.autoencoder.decode(job.to_show[job.stage_step])
    job.shown.append(pixels[0].permute(1, 2, 0).cpu().numpy())


def pictures_of(job: LatentsTask) -> list[Picture]:
    """What was asked for, and then the pictures of the steps."""
    place = job.image.x, job.image.y
    if job.action is LatentsAction.DECODE:
        return [Picture(encode(opaque(job.shown[0]), job.image.format), job.image.format, *place)]
    latents = job.current.latents
    assert latents is not None, "every stage is done"
    # Channels one below the other.
    samples = latents[0].flatten(0, 1)[..., None].float().cpu().numpy()
    steps = [Picture(encode(opaque(made), _RGB), _RGB, *place) for made in job.shown]
    return [Picture(np.ascontiguousarray(samples), LATENTS_FORMAT, *place), *steps]


def _given(
    assignment: Assignment, use: job_service_pb2.UseLatents, action: LatentsAction, parts: Parts
) -> tuple[Floats, Size]:
    raster = assignment.inputs.get(use.image.blob)
    where, factor = "spec.use_latents.image", parts.factor
    if raster is None:
        fault = Violation(where, f"refers to {use.image.blob!r}, which did not come with the job")
        raise InvalidRequest(f"{where} {fault.description}. Upload it and submit again.", violations=[fault])
    if action is LatentsAction.ENCODE:
        return fill_transparent(canonicalise(raster)), Size(raster.width, raster.height)
    channels = parts.autoencoder.channels
    if raster.height % channels:
        text = f"is {raster.height} rows high; this model's latents have {channels} channels of equal height"
        fault = Violation(where, text)
        raise InvalidRequest(f"{where} {text}: encode with the same model.", violations=[fault])
    values = np.asarray(raster.top_down()[..., 0], np.float32)
    latents = values.reshape(channels, raster.height // channels, raster.width)
    return latents, Size(raster.width * factor, raster.height // channels * factor)


def _before(make: Callable[[float, tuple[float, float]], Sampler], steps: int, step: int) -> Sampler:
    """A sampler that stands before a step."""
    for nudge in _NUDGES:
        found = make((steps - step) / steps + nudge, (0.0, 1.0))
        if found.skipped == step:
            return found
    raise AssertionError(f"no strength leaves out {step} of {steps} steps")


def _stages(
    action: LatentsAction, missing: int, steps: int, pictures: int, use: job_service_pb2.UseLatents
) -> tuple[PlannedStage, ...]:
    stages = [PlannedStage(StageKind.LOADING, max(1, missing))]
    if action is LatentsAction.DENOISE:
        stages += [PlannedStage(StageKind.ENCODING_TEXT), PlannedStage(StageKind.DENOISING, steps)]
        pictures = steps + 1
    elif action is not LatentsAction.DECODE:
        stages.append(PlannedStage(StageKind.ENCODING_IMAGE))
    if action is LatentsAction.DECODE or use.step_pictures:
        stages.append(PlannedStage(StageKind.DECODING, 1 if action is LatentsAction.DECODE else pictures))
    return (*stages, PlannedStage(StageKind.POST_PROCESSING))


def _drawn(job: LatentsTask, parts: Parts) -> torch.Tensor:
    """The noise of image to image with this seed, which draws for the encoder first."""
    if parts.autoencoder.encoding_draws:
        draw_noise(job.current, parts, job.generator)
    return draw_noise(job.current, parts, job.generator)


def _tensor(job: LatentsTask, parts: Parts) -> torch.Tensor:
    return torch.from_numpy(np.array(job.given))[None].to(parts.device)
