"""Stable Diffusion 3 and 3.5, driven step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from underpaint.engine.diffusion.components import Components
from underpaint.engine.diffusion.denoise import readings
from underpaint.engine.diffusion.job import DiffusionTask
from underpaint.engine.diffusion.latent_family import LatentFamily
from underpaint.engine.diffusion.latents import advance, begin
from underpaint.engine.diffusion.rolling import offset, rolled
from underpaint.engine.family import Assignment
from underpaint.engine.flow import FlowSampler
from underpaint.engine.prompts import parse
from underpaint.geometry import Size
from underpaint.hookspecs import ModelTraits
from underpaint_sd3.parts import SD3Parts
from underpaint_sd3.plugin import recognise
from underpaint_sd3.text import SD3Text


class StableDiffusion3(LatentFamily):
    """One model of the family."""

    def _recognise(self, folder: Path, model_index: Mapping[str, Any]) -> ModelTraits | None:
        return recognise(folder, model_index)

    def _make_parts(self, components: Components) -> SD3Parts:
        return SD3Parts(components, SD3Text(components))

    def _plan(self, assignment: Assignment) -> DiffusionTask:
        task = super()._plan(assignment)
        if any(span.weight != 1.0 for span in parse(task.resolved.prompt)):
            task.notes.append(
                f"The model {self.name!r} reads a prompt as a whole; weights count for nothing."
            )
        return task

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
        patch = int(self._parts.denoiser_config["patch_size"]) * self._parts.factor
        tokens = (size.width // patch) * (size.height // patch)
        config = self._parts.scheduler_config
        return FlowSampler(
            name, config, steps, generator, tokens, strength, even=False, parameters=parameters
        )

    def _denoise(self, jobs: Sequence[DiffusionTask]) -> None:
        for job in jobs:
            if job.current.latents is None:
                begin(job, self._parts)
        transformer, _ = self._parts.network
        rows, texts = [*jobs, *jobs] if jobs[0].guided else [*jobs], readings(jobs)
        latents = [job.current.latents for job in jobs if job.current.latents is not None]
        samples = [rolled(one, offset(job)) for one, job in zip(latents, jobs, strict=True)]
        output = transformer(
            hidden_states=torch.cat(samples * (len(rows) // len(jobs))).to(
                self._parts.device, self._parts.dtype
            ),
            timestep=torch.stack([job.current.sampler.timestep for job in rows]).to(self._parts.device),
            encoder_hidden_states=torch.cat([text.hidden for text in texts]),
            pooled_projections=torch.cat([text.pooled for text in texts if text.pooled is not None]),
            return_dict=False,
        )[0].float()
        back = [rolled(output[row : row + 1], offset(job), -1) for row, job in enumerate(rows)]
        advance(jobs, torch.cat(back))
