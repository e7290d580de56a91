"""Schedulers of models that were trained by flow matching: a straight way from noise to a picture."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from underpaint.engine.families.scheduler_names import FLOW_SCHEDULERS
from underpaint.engine.schedulers import Sampler, overrides
from underpaint.errors import InvalidRequest, Violation

EULER, HEUN = FLOW_SCHEDULERS


class FlowSampler(Sampler):
    """One job's way through its timesteps; see `Sampler`.

    tokens: places in the denoiser's sequence that the picture takes. Where the configuration says
    `use_dynamic_shifting`, the more there are the longer the way stays noisy (Esser et al. 2024,
    section 5.3.2). even: the last step begins at 1/steps of the noise, as FLUX's do; else at the least
    noise of the configuration, as the scheduler does by itself.
    """

    def __init__(
        self,
        name: str,
        config: Mapping[str, Any],
        steps: int,
        generator: torch.Generator,
        tokens: int,
        strength: float | None = None,
        *,
        even: bool = True,
        parameters: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        self._tokens = tokens
        self._even = even
        super().__init__(name, config, steps, generator, strength, parameters=parameters)

    @property
    def initial_sigma(self) -> float:
        """Pure noise is taken as it is."""
        return 1.0

    def scale(self, latents: torch.Tensor) -> torch.Tensor:
        """The denoiser sees the latents as they are."""
        return latents

    def step(self, output: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
        """One step: the denoiser's output, which points from picture to noise, and the latents before it."""
        predicted = latents - self.share * output
        result = super().step(output, latents)
        self.predicted = predicted
        return result

    @property
    def share(self) -> float:
        """The share of noise in the latents before the next step, 1.0 … 0.0."""
        return float(self.timestep) / int(self._scheduler.config.num_train_timesteps)

    def noised(self, clean: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """Clean latents with as much noise as the next step expects; see `Sampler.noised`."""
        if self.finished:
            return clean
        noised: torch.Tensor = self._scheduler.scale_noise(clean, self.timestep.reshape(1), noise)
        return noised

    def _ready(self, name: str, config: Mapping[str, Any], steps: int) -> Any:
        from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler
        from diffusers.schedulers.scheduling_flow_match_heun_discrete import FlowMatchHeunDiscreteScheduler

        if name not in FLOW_SCHEDULERS:
            known = ", ".join(FLOW_SCHEDULERS)
            fault = Violation("spec.scheduler", f"{name!r} is none of {known}")
            raise InvalidRequest(
                f"The scheduler {name!r} is none for models trained by flow matching. Choose one of {known}.",
                violations=[fault],
            )
        scheduler: Any
        euler: Any = FlowMatchEulerDiscreteScheduler
        scheduler = euler.from_config(dict(config), **overrides(self._parameters))
        shift = resolution_shift(self._tokens, scheduler.config)
        if name == EULER:
            sigmas = np.linspace(1.0, 1.0 / steps, steps) if self._even else None
            scheduler.set_timesteps(steps, sigmas=sigmas, mu=shift, device="cpu")
            return scheduler
        # Heun's knows no shift that grows with the picture, but the same curve under another parameter.
        factor = float(scheduler.config.shift)
        if scheduler.config.use_dynamic_shifting:
            exponential = scheduler.config.time_shift_type == "exponential"
            factor = math.exp(shift) if exponential else shift
        heun: Any = FlowMatchHeunDiscreteScheduler
        scheduler = heun(int(scheduler.config.num_train_timesteps), factor)
        scheduler.set_timesteps(steps, device="cpu")
        return scheduler

    def _skipped(self, steps: int, strength: float) -> int:
        # Stock rounds what is left out here, and what is left elsewhere.
        return int(max(steps - min(steps * strength, steps), 0))


def resolution_shift(tokens: int, config: Mapping[str, Any]) -> float:
    """How far a schedule is shifted towards noise for a picture of so many tokens: mu, linear in them."""
    few, many = config.get("base_image_seq_len", 256), config.get("max_image_seq_len", 4096)
    low, high = config.get("base_shift", 0.5), config.get("max_shift", 1.15)
    slope = (high - low) / (many - few)
    return float(tokens * slope + (low - slope * few))
