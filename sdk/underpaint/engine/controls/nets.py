"""Control nets at work: their residuals for one step of a denoiser. For the device's one thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch

from underpaint.engine.controls.describe_file import net_config
from underpaint.engine.controls.plan import PlannedControl
from underpaint.engine.controls.shelved import Shelved
from underpaint.engine.controls.weighing import weighted, weights_of
from underpaint.engine.diffusion.components import weight_variant
from underpaint.engine.diffusion.single_file import load_network
from underpaint.engine.tiling import Wrap
from underpaint.geometry import Size
from underpaint.types import Tiling
from underpaint.weights.control_nets import COMPONENT

Residuals = tuple[tuple[torch.Tensor, ...], torch.Tensor]
"""For each block on the way down, and for the middle one."""


class ControlNets(Shelved):
    """The control nets that one model's jobs use: each with the switch for its edges."""

    part = COMPONENT

    def residuals(
        self,
        jobs: Sequence[Sequence[PlannedControl]],
        size: Size,
        inputs: Mapping[str, Any],
        tiling: Tiling,
        told: Callable[[Any], AbstractContextManager[None]] = nullcontext,
    ) -> list[Residuals]:
        """Those of each net for one step.

        `jobs` are the controls of each job in this step, all with the same nets in the same order; `inputs`
        are the denoiser's arguments with a row for each job, or, with guidance, one without the prompts and
        then one with them. A net sees the latents, not the mask beside them. `told` goes around its call.
        """
        return [self._residuals(controls, size, inputs, tiling, told) for controls in zip(*jobs, strict=True)]

    def _residuals(
        self,
        controls: Sequence[PlannedControl],
        size: Size,
        inputs: Mapping[str, Any],
        tiling: Tiling,
        told: Callable[[Any], AbstractContextManager[None]],
    ) -> Residuals:
        net, wrap = self.load(controls[0].folder)
        sample = inputs["sample"]
        rows = sample.shape[0] // len(controls)
        shown = pictures_of(controls, size).to(self._device, self._dtype)
        with wrap.around(tiling), told(net):
            down, middle = net(
                sample[:, : net.config.in_channels],
                inputs["timestep"],
                encoder_hidden_states=inputs["encoder_hidden_states"],
                controlnet_cond=torch.cat([shown] * rows),
                added_cond_kwargs=inputs.get("added_cond_kwargs"),
                return_dict=False,
            )
        weight = weights_of(controls, size, self._device)
        counted = [weighted(residual, weight, rows) for residual in (*down, middle)]
        return tuple(counted[:-1]), counted[-1]

    def _from_disk(self, place: Path) -> tuple[Any, Wrap]:
        from diffusers.models.controlnets.controlnet import ControlNetModel

        if place.is_file():
            return network_of_file(ControlNetModel, self.part, place, net_config(place), self._dtype)
        return network(ControlNetModel, place, self._dtype)


def arguments(residuals: Sequence[Residuals]) -> dict[str, Any]:
    """The denoiser's arguments for what nets say, which adds up; nothing without any."""
    if not residuals:
        return {}
    down, middle = added(residuals)
    return {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}


def added(residuals: Sequence[Residuals]) -> Residuals:
    """The sum of several, at least one."""
    down, middle = residuals[0]
    for more, other in residuals[1:]:
        down, middle = tuple(a + b for a, b in zip(down, more, strict=True)), middle + other
    return down, middle


def pictures_of(controls: Sequence[PlannedControl], size: Size) -> torch.Tensor:
    """What controls show in a pass of `size`, `(controls, 3, height, width)`."""
    return torch.from_numpy(np.stack([one.pictures[size].transpose(2, 0, 1) for one in controls]))


def network(kind: Any, place: Path, dtype: torch.dtype) -> tuple[Any, Wrap]:
    """A diffusers network of the class `kind` in a folder, and the switch for its edges."""
    net = kind.from_pretrained(
        place,
        use_safetensors=True,
        local_files_only=True,
        variant=weight_variant(place),
        torch_dtype=dtype,
    )
    net = net.eval().requires_grad_(False)
    return net, Wrap(net)


def network_of_file(
    kind: Any, part: str, path: Path, config: Mapping[str, Any], dtype: torch.dtype
) -> tuple[Any, Wrap]:
    """The same out of one safetensors file. Raises `ValueError` naming what does not fit."""
    net = load_network(kind, part, path, config, dtype).eval().requires_grad_(False)
    return net, Wrap(net)
