"""Union control nets at work: one net for many roles, and for several images at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import torch

from underpaint.engine.controls.describe_file import net_config
from underpaint.engine.controls.describe_union import modes_of
from underpaint.engine.controls.nets import Residuals, added, network, network_of_file, pictures_of
from underpaint.engine.controls.plan import PlannedControl
from underpaint.engine.controls.shelved import Shelved
from underpaint.engine.controls.weighing import weighted, weights_of
from underpaint.engine.tiling import Wrap
from underpaint.geometry import Size
from underpaint.types import Tiling
from underpaint.weights.control_nets import COMPONENT


class UnionNets(Shelved):
    """The union nets that one model's jobs use: each with the switch for its edges and its modes.

    Neighbouring images for one net are shown to it together, as it was trained, if none has a mask; an image
    with a mask goes through it alone, and what comes out is weighed. Each job has a pass of its own: in
    diffusers' net the rows of a pass attend to one another.
    """

    part = COMPONENT

    def residuals(
        self,
        jobs: Sequence[Sequence[PlannedControl]],
        size: Size,
        inputs: Mapping[str, Any],
        tiling: Tiling,
        told: Callable[[int, Any], AbstractContextManager[None]] = lambda number, net: nullcontext(),
    ) -> list[Residuals]:
        """As those of `ControlNets`, all nets added up: one, or none without controls.

        `told` is asked for each job, by its number.
        """
        if not jobs[0]:
            return []
        rows = inputs["sample"].shape[0] // len(jobs)
        alone = []
        for number, controls in enumerate(jobs):
            own = partial(_rows, numbers=[row * len(jobs) + number for row in range(rows)])
            around = partial(told, number)
            parts = [
                self._residuals(shown, size, inputs, own, tiling, around) for shown in _together(controls)
            ]
            alone.append(added(parts))
        # Without the prompts first, as the denoiser's rows are.
        down = tuple(_interleaved(blocks, rows) for blocks in zip(*(one for one, _ in alone), strict=True))
        return [(down, _interleaved([middle for _, middle in alone], rows))]

    def _residuals(
        self,
        controls: Sequence[PlannedControl],
        size: Size,
        inputs: Mapping[str, Any],
        own: Callable[[torch.Tensor], torch.Tensor],
        tiling: Tiling,
        told: Callable[[Any], AbstractContextManager[None]],
    ) -> Residuals:
        net, wrap, modes = self.load(controls[0].folder)
        sample, several = own(inputs["sample"]), len(controls) > 1
        rows = sample.shape[0]
        numbers = [modes[one.role] for one in controls]
        kinds = torch.zeros(net.config.num_control_type)
        kinds[numbers] = 1.0
        added_conditions = inputs.get("added_cond_kwargs") or {}
        with wrap.around(tiling), told(net):
            down, middle = net(
                sample[:, : net.config.in_channels],
                own(inputs["timestep"]),
                encoder_hidden_states=own(inputs["encoder_hidden_states"]),
                controlnet_cond=[
                    pictures_of([one], size).repeat(rows, 1, 1, 1).to(self._device, self._dtype)
                    for one in controls
                ],
                control_type=kinds.to(self._device, self._dtype).repeat(rows, 1),
                control_type_idx=numbers,
                # One image is weighed below, as masks have to be.
                conditioning_scale=[one.strength if several else 1.0 for one in controls],
                added_cond_kwargs={name: own(value) for name, value in added_conditions.items()},
                return_dict=False,
            )
        if not several:
            weight = weights_of(controls, size, self._device)
            down, middle = [weighted(one, weight, rows) for one in down], weighted(middle, weight, rows)
        return tuple(down), middle

    def _from_disk(self, place: Path) -> tuple[Any, Wrap, Mapping[str, int]]:
        from diffusers.models.controlnets.controlnet_union import ControlNetUnionModel

        if place.is_file():
            config = net_config(place)
            net, wrap = network_of_file(ControlNetUnionModel, self.part, place, config, self._dtype)
        else:
            net, wrap = network(ControlNetUnionModel, place, self._dtype)
            config = json.loads((place / "config.json").read_text("utf-8"))
        return net, wrap, modes_of(place, config)


def _together(controls: Sequence[PlannedControl]) -> list[list[PlannedControl]]:
    """What is shown at once: neighbours for one net without masks."""
    found = []
    for (_, masked), group in groupby(controls, lambda one: (one.folder, one.masks is not None)):
        shown = list(group)
        found += [[one] for one in shown] if masked else [shown]
    return found


def _rows(tensor: torch.Tensor, numbers: list[int]) -> torch.Tensor:
    return tensor[numbers]


def _interleaved(jobs: Sequence[torch.Tensor], rows: int) -> torch.Tensor:
    return torch.cat([job[row : row + 1] for row in range(rows) for job in jobs])
