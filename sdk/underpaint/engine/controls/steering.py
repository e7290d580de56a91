"""All kinds of control models together, as a denoiser's step needs them. For the device's one thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from underpaint.engine.controls.adapters import Adapters
from underpaint.engine.controls.nets import ControlNets, arguments
from underpaint.engine.controls.plan import PlannedControl
from underpaint.engine.controls.references import References
from underpaint.engine.controls.shelved import Shelved
from underpaint.engine.controls.unions import UnionNets
from underpaint.engine.residency import Shelf
from underpaint.weights import kinds

if TYPE_CHECKING:
    from underpaint.engine.diffusion.denoise import Told
    from underpaint.engine.diffusion.job import DiffusionTask

Need = tuple[str, Path]
"""Kind and place of a network, see `underpaint.weights.kinds`."""


class Steering:
    """The control models that one model's jobs use, on the shelf beside its own components.

    `unet` gives the denoiser, loaded if need be.
    """

    def __init__(
        self, shelf: Shelf, user: str, device: str, dtype: torch.dtype, unet: Callable[[], Any]
    ) -> None:
        self.nets = ControlNets(shelf, user, device, dtype)
        self.unions = UnionNets(shelf, user, device, dtype)
        self.adapters = Adapters(shelf, user, device, dtype)
        self.references = References(shelf, user, device, dtype, unet)
        self._shelved: Mapping[str, Shelved] = {
            kinds.CONTROL_NET: self.nets,
            kinds.CONTROL_NET_UNION: self.unions,
            kinds.T2I_ADAPTER: self.adapters,
            kinds.IP_ADAPTER: self.references,
            kinds.IMAGE_ENCODER: self.references.encoders,
        }

    def missing(self, controls: Sequence[PlannedControl]) -> list[Need]:
        """Networks that controls need and that are not in memory, each once."""
        return [need for need in _needs(controls) if not self._has(need)]

    def load(self, need: Need) -> None:
        """Brings one into memory. Raises `ModelUnusable`."""
        kind, path = need
        self._shelved[kind].load(path)

    def claim(self, controls: Sequence[PlannedControl]) -> None:
        """Brings all that controls need into memory; marks what another model loaded as used by this one."""
        for need in _needs(controls):
            self.load(need)

    def look(self, control: PlannedControl) -> None:
        """Encodes a reference's picture, unless that has been done."""
        self.references.look(control)

    def arguments(
        self, jobs: Sequence[DiffusionTask], inputs: Mapping[str, Any], told: Told
    ) -> dict[str, Any]:
        """What the denoiser's call takes besides `inputs`, for jobs of one bucket.

        Nets read the prompts of regions where the denoiser does: `told` is put around their calls.
        """
        size, tiling = jobs[0].current.size, jobs[0].image.tiling
        nets = [_of(job, kinds.CONTROL_NET) for job in jobs]
        unions = [_of(job, kinds.CONTROL_NET_UNION) for job in jobs]
        adapters = [_of(job, kinds.T2I_ADAPTER) for job in jobs]
        rows = len(inputs["sample"]) // len(jobs)
        return {
            **arguments(
                [
                    *self.nets.residuals(nets, size, inputs, tiling, lambda net: told(net, jobs)),
                    *self.unions.residuals(
                        unions, size, inputs, tiling, lambda number, net: told(net, jobs[number : number + 1])
                    ),
                ]
            ),
            **self.adapters.features(adapters, size, tiling, rows=rows),
        }

    def around(
        self, jobs: Sequence[DiffusionTask], unet: Any, inputs: Mapping[str, Any]
    ) -> AbstractContextManager[None]:
        """What must be in place during the denoiser's call; nothing of it stays."""
        height, width = inputs["sample"].shape[2:]
        references = [_of(job, kinds.IP_ADAPTER) for job in jobs]
        rows = len(inputs["sample"]) // len(jobs)
        blind = rows // 2 if jobs[0].regional_negatives else int(jobs[0].guided)
        cells = (height, width)
        return self.references.around(
            unet, references, jobs[0].current.size, cells, blind=blind, prompts=rows - blind
        )

    def _has(self, need: Need) -> bool:
        kind, path = need
        return self._shelved[kind].has(path)


def _needs(controls: Sequence[PlannedControl]) -> list[Need]:
    needs: dict[Need, None] = {}
    for control in controls:
        needs[control.kind, control.folder] = None
        if control.reference is not None:
            needs[kinds.IMAGE_ENCODER, control.reference.encoder] = None
    return list(needs)


def _of(job: DiffusionTask, kind: str) -> list[PlannedControl]:
    return [control for control in job.steered_by if control.kind == kind]
