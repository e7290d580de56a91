"""FLUX.1 (dev, schnell, Fill, Kontext, Canny, Depth), from diffusers' components, driven step by step."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from underpaint.engine.controls.plan import PlannedControl
from underpaint.engine.diffusion.components import Components
from underpaint.engine.diffusion.job import DiffusionTask
from underpaint.engine.diffusion.latent_family import LatentFamily
from underpaint.engine.diffusion.latents import draw_noise
from underpaint.engine.families.flux_plugin import recognise, traits_of_file
from underpaint.engine.family import Assignment
from underpaint.engine.flow import FlowSampler
from underpaint.engine.flux import control_lora, redux
from underpaint.engine.flux.control_lora import as_loras, worn
from underpaint.engine.flux.denoise import denoise
from underpaint.engine.flux.parts import FluxParts
from underpaint.engine.flux.shown import check_shown, shown_of
from underpaint.engine.flux.steering import FluxSteering
from underpaint.engine.flux.text import FluxText
from underpaint.engine.prompts import parse
from underpaint.engine.regions.wearing import ByToken
from underpaint.engine.residency import Shelf
from underpaint.geometry import Size
from underpaint.hookspecs import ModelTraits
from underpaint.v1 import job_service_pb2
from underpaint.worker_v1 import worker_service_pb2

LENGTH, SHORT_LENGTH = 512, 256
"""Tokens of a prompt that T5 reads for dev and its kin, and for schnell."""


class Flux(LatentFamily):
    """One model of the family."""

    _parts: FluxParts

    def __init__(self, source: worker_service_pb2.ModelSource, shelf: Shelf, device: str, dtype: str) -> None:
        super().__init__(source, shelf, device, dtype)
        self._controls = FluxSteering(shelf, self.name, device, self._parts.dtype)

    def _recognise(self, folder: Path, model_index: Mapping[str, Any]) -> ModelTraits | None:
        return recognise(folder, model_index)

    def _recognise_file(self, path: Path, components: Mapping[str, Path]) -> ModelTraits:
        return traits_of_file(path, components)

    def _make_parts(self, components: Components) -> FluxParts:
        guided = components.config(FluxParts.denoiser).get("guidance_embeds", False)
        return FluxParts(components, FluxText(components, LENGTH if guided else SHORT_LENGTH))

    def _plan(self, assignment: Assignment) -> DiffusionTask:
        task = super()._plan(assignment)
        spec = task.resolved
        theirs = task.regions.negatives if task.regions is not None else ()
        # What a region that covers nothing would avoid asks for nothing.
        task.guided = task.guided and any((spec.negative_prompt, *theirs))
        check_shown(self.name, self._traits.shown_role, task.controls)
        if _avoids(spec) and not task.guided:
            task.notes.append(
                f"The negative prompt counts for nothing: {self._why_not(spec.guidance_scale)}."
            )
        if any(span.weight != 1.0 for span in parse(spec.prompt)):
            task.notes.append(
                f"The model {self.name!r} reads a prompt as a whole; weights count for nothing."
            )
        return task

    def _guided(self, spec: job_service_pb2.JobSpec) -> bool:
        # Stock's true_cfg_scale, a second forward pass a step, where there is something to keep away from.
        return super()._guided(spec) and _avoids(spec)

    def _why_not(self, scale: float) -> str:
        if self._parts.guidance_embedded:
            return f"the model {self.name!r} has its guidance built in and runs without one"
        return f"a guidance scale of {scale:g} asks for none; above 1 it would"

    def _sampler(
        self,
        name: str,
        steps: int,
        generator: torch.Generator,
        size: Size,
        strength: float | None,
        part: tuple[float, float],
        parameters: Mapping[str, float],
    ) -> FlowSampler:
        tokens = size.width * size.height // (2 * self._parts.factor) ** 2
        return FlowSampler(
            name, self._parts.scheduler_config, steps, generator, tokens, strength, parameters=parameters
        )

    def _apart(self, job: DiffusionTask) -> Hashable:
        # A picture that is looked at makes the sequence longer.
        return job.current.reference is not None, redux.apart(job), control_lora.apart(job)

    def _denoise(self, jobs: Sequence[DiffusionTask]) -> None:
        for job in jobs:
            if job.current.latents is None:
                self._begin(job)
        regional = self._loras.in_regions(jobs[0].regions, ByToken(jobs))
        with regional, worn(jobs, self._loras, self._parts):
            denoise(jobs, self._parts, self._controls)

    def _look(self, control: PlannedControl) -> None:
        self._controls.look(control)

    def _begin(self, job: DiffusionTask) -> None:
        self._controls.nets.encode(job, self._parts)
        shown = shown_of(job.controls)
        if shown is not None:
            if job.current.mask is not None and self._parts.autoencoder.encoding_draws:
                # Here the stock pipeline encodes the masked picture and forgets it.
                draw_noise(job.current, self._parts, job.generator)
            picture = shown.pictures[job.current.size]
            latents = self._parts.autoencoder.encode(picture, job.generator)
            job.current.control_latents[shown] = latents
        super()._begin(job)

    def _missing(self, controls: Sequence[PlannedControl]) -> list[Callable[[], object]]:
        missing = [*super()._missing(controls), *self._controls.missing(controls)]
        loras = self._loras.missing(as_loras(controls))
        return [*missing, *(partial(self._loras.load, lora) for lora in loras)]

    def _claim(self, job: DiffusionTask) -> None:
        super()._claim(job)
        self._controls.claim(job.controls)
        for lora in as_loras(job.controls):
            self._loras.load(lora)


def _avoids(spec: job_service_pb2.JobSpec) -> bool:
    """Whether there is a negative prompt anywhere."""
    return bool(spec.negative_prompt) or any(region.negative_prompt for region in spec.regions)
