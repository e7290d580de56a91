"""Schedulers by our names, each job with an instance of its own, made from the model's configuration."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from types import MappingProxyType
from typing import Any

import torch

from underpaint.engine.families.scheduler_names import SCHEDULERS
from underpaint.errors import InvalidRequest, Violation


@dataclass(frozen=True)
class _Kind:
    module: str
    name: str
    overrides: Mapping[str, Any] = field(default_factory=dict)


_KINDS = {
    "ddim": _Kind("scheduling_ddim", "DDIMScheduler"),
    "euler": _Kind("scheduling_euler_discrete", "EulerDiscreteScheduler"),
    "euler-a": _Kind("scheduling_euler_ancestral_discrete", "EulerAncestralDiscreteScheduler"),
    "dpmpp-2m": _Kind("scheduling_dpmsolver_multistep", "DPMSolverMultistepScheduler"),
    "dpmpp-2m-karras": _Kind(
        "scheduling_dpmsolver_multistep", "DPMSolverMultistepScheduler", {"use_karras_sigmas": True}
    ),
    "unipc": _Kind("scheduling_unipc_multistep", "UniPCMultistepScheduler"),
    "heun": _Kind("scheduling_heun_discrete", "HeunDiscreteScheduler"),
    "lcm": _Kind("scheduling_lcm", "LCMScheduler"),
    # The multistep SDE solver: its noise comes from the job's own generator, so a seed repeats.
    "dpmpp-sde-karras": _Kind(
        "scheduling_dpmsolver_multistep",
        "DPMSolverMultistepScheduler",
        {"use_karras_sigmas": True, "algorithm_type": "sde-dpmsolver++"},
    ),
}
assert tuple(_KINDS) == SCHEDULERS
_OVER_CONFIG: Mapping[str, Callable[[float], dict[str, Any]]] = {
    "trailing": lambda _: {"timestep_spacing": "trailing"},
    "karras": lambda _: {"use_karras_sigmas": True},
    "order": lambda value: {"solver_order": int(value)},
    "original_steps": lambda value: {"original_inference_steps": int(value)},
    "shift": lambda value: {"shift": value, "use_dynamic_shifting": False},
}
_AS_THE_MODEL_SAYS = ("trailing", "karras", "shift")
"""Parameters of which 0 is no wish."""
_IN_STEPS = {"eta": "eta", "churn": "s_churn", "churn_noise": "s_noise"}
"""Parameters that count in each step, by their names there."""


def overrides(parameters: Mapping[str, float]) -> dict[str, Any]:
    """What parameters of `underpaint.engine.families.scheduler_parameters` say of a configuration."""
    found: dict[str, Any] = {}
    for name, value in parameters.items():
        if name in _OVER_CONFIG and (value or name not in _AS_THE_MODEL_SAYS):
            found |= _OVER_CONFIG[name](value)
    return found


def make_scheduler(
    name: str, config: Mapping[str, Any], parameters: Mapping[str, float] = MappingProxyType({})
) -> Any:
    """A fresh diffusers scheduler for a model's `scheduler_config.json`. Raises `InvalidRequest`."""
    kind = _KINDS.get(name)
    if kind is None:
        known = ", ".join(_KINDS)
        fault = Violation("spec.scheduler", f"{name!r} is unknown; choose one of {known}")
        raise InvalidRequest(f"No scheduler is called {name!r}. Choose one of {known}.", violations=[fault])
    module = import_module(f"diffusers.schedulers.{kind.module}")
    return getattr(module, kind.name).from_config(dict(config), **{**kind.overrides, **overrides(parameters)})


class Sampler:
    """One job's way through its timesteps, on the CPU, in float32.

    `strength` below 1.0 begins in the middle, as img2img and inpainting do. `part` is the share of the noise
    schedule that it goes through, from 0.0 (pure noise) to 1.0: two models can follow one another (SDXL's
    base and refiner). It may then have no steps at all. Not thread-safe; each job has its own.
    """

    def __init__(
        self,
        name: str,
        config: Mapping[str, Any],
        steps: int,
        generator: torch.Generator,
        strength: float | None = None,
        part: tuple[float, float] = (0.0, 1.0),
        parameters: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        self._parameters = parameters
        self._scheduler = self._ready(name, config, steps)
        self.timesteps: torch.Tensor = self._scheduler.timesteps
        start, end = self._first(part[0]), self._first(part[1])
        if strength is not None:
            by_strength = self._skipped(steps, strength) * self._scheduler.order
            # At least one step: a faint strength is still a wish for some change.
            start = max(start, min(by_strength, len(self.timesteps) - 1))
        self.timesteps = self.timesteps[start:end]
        self.skipped = start // self._scheduler.order
        """Steps that are left out at the beginning."""
        if (strength is not None or start) and hasattr(self._scheduler, "set_begin_index"):
            self._scheduler.set_begin_index(start)
        accepted = inspect.signature(self._scheduler.step).parameters
        self._extra: dict[str, Any] = {"generator": generator} if "generator" in accepted else {}
        self._extra |= {_IN_STEPS[name]: value for name, value in parameters.items() if name in _IN_STEPS}
        self.done = 0
        self.predicted: torch.Tensor | None = None
        """The last step's guess at the finished latents, for previews."""

    def __len__(self) -> int:
        return len(self.timesteps)

    def _ready(self, name: str, config: Mapping[str, Any], steps: int) -> Any:
        """A scheduler that knows its timesteps. Raises `InvalidRequest`."""
        scheduler = make_scheduler(name, config, self._parameters)
        _set_steps(scheduler, name, steps)
        return scheduler

    def _skipped(self, steps: int, strength: float) -> int:
        """Steps that a strength leaves out at the beginning, as the stock pipelines count them."""
        return max(steps - min(int(steps * strength), steps), 0)

    def _first(self, share: float) -> int:
        """Where the first timestep behind a share of the noise schedule stands among all of them."""
        if share <= 0.0:
            return 0
        trained = int(self._scheduler.config.num_train_timesteps)
        first = int((self.timesteps >= round(trained - share * trained)).sum())
        if share >= 1.0:
            return len(self.timesteps)
        # Second-order schedulers name each timestep twice, the first one aside: between the two, a step has
        # been corrected and the next begins. (The stock base pipeline goes on to that step's first half, and
        # its refiner takes it once more.)
        between = self._scheduler.order == 2 and first % 2 == 1 and first < len(self.timesteps)
        return first - 1 if between else first

    @property
    def finished(self) -> bool:
        """Whether every step is done."""
        return self.done >= len(self.timesteps)

    @property
    def timestep(self) -> torch.Tensor:
        """The timestep of the next step, a scalar."""
        return self.timesteps[self.done]

    @property
    def initial_sigma(self) -> float:
        """What pure noise is multiplied by at the start."""
        return float(self._scheduler.init_noise_sigma)

    def scale(self, latents: torch.Tensor) -> torch.Tensor:
        """The latents as the denoiser expects them in the next step."""
        scaled: torch.Tensor = self._scheduler.scale_model_input(latents, self.timestep)
        return scaled

    def step(self, output: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
        """One step: the denoiser's output and the latents before it give the latents after it."""
        result = self._scheduler.step(output, self.timestep, latents, **self._extra, return_dict=True)
        self.done += 1
        self.predicted = getattr(result, "pred_original_sample", None)
        if self.predicted is None and getattr(self._scheduler, "model_outputs", None):
            self.predicted = self._scheduler.model_outputs[-1]
        previous: torch.Tensor = result.prev_sample
        return previous

    def noised(self, clean: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """Clean latents with as much noise as the next step expects; unchanged after the last one.

        Schedulers with a begin index look at where they stand and ignore the timestep that they are given:
        call this for the present position only.
        """
        if self.finished:
            return clean
        noised: torch.Tensor = self._scheduler.add_noise(clean, noise, self.timestep.reshape(1))
        return noised


def _set_steps(scheduler: Any, name: str, steps: int) -> None:
    problem = ""
    try:
        scheduler.set_timesteps(steps, device="cpu")
    except ValueError as error:
        # LCM, for one, has no more steps than it was distilled for.
        problem = str(error)
    else:
        trained = int(scheduler.config.num_train_timesteps)
        if float(scheduler.timesteps.max()) >= trained:
            # An offset pushes the first of very many steps past the end of the noise schedule.
            problem = f"the model was trained with {trained} noise levels."
    if problem:
        fault = Violation("spec.steps", f"{steps} steps do not go with the scheduler {name!r}: {problem}")
        raise InvalidRequest(
            f"The scheduler {name!r} cannot take {steps} steps with this model: {problem} "
            "Ask for fewer steps or choose another scheduler.",
            violations=[fault],
        )
