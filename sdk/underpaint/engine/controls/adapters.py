"""T2I adapters at work (Mou et al. 2023): features that a denoiser's blocks add to their own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch.nn import functional

from underpaint.engine.controls.describe_adapter import COMPONENT, adapter_config
from underpaint.engine.controls.nets import network, network_of_file, pictures_of
from underpaint.engine.controls.plan import PlannedControl
from underpaint.engine.controls.shelved import Shelved
from underpaint.engine.controls.weighing import weighted, weights_of
from underpaint.engine.tiling import Wrap
from underpaint.geometry import Size
from underpaint.types import Tiling

_LUMA = (0.299, 0.587, 0.114)
"""Rec. 601, as PIL makes grey of colours."""


class Adapters(Shelved):
    """The T2I adapters that one model's jobs use: each with the switch for its edges.

    What an adapter says of a picture is the same in every step, so it is kept as long as the job's control.
    """

    part = COMPONENT

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._kept: WeakKeyDictionary[PlannedControl, dict[Size, list[torch.Tensor]]] = WeakKeyDictionary()

    def features(
        self, jobs: Sequence[Sequence[PlannedControl]], size: Size, tiling: Tiling, *, rows: int
    ) -> dict[str, Any]:
        """What the denoiser's call takes besides its other arguments; nothing without adapters.

        `jobs` are the adapters of each job in this step, all the same in the same order; each job has `rows`
        rows. Several adapters add up.
        """
        together: list[torch.Tensor] | None = None
        for controls in zip(*jobs, strict=True):
            seen = [self._seen(control, size, tiling) for control in controls]
            weight = weights_of(controls, size, self._device)
            one = [weighted(torch.cat([*blocks] * rows), weight, rows) for blocks in zip(*seen, strict=True)]
            together = one if together is None else [a + b for a, b in zip(together, one, strict=True)]
        return {} if together is None else {"down_intrablock_additional_residuals": together}

    def _seen(self, control: PlannedControl, size: Size, tiling: Tiling) -> list[torch.Tensor]:
        kept = self._kept.setdefault(control, {})
        if size not in kept:
            adapter, wrap = self.load(control.folder)
            pixels = pictures_of([control], size)
            if adapter.config.in_channels == 1:
                pixels = (pixels * torch.tensor(_LUMA)[:, None, None]).sum(dim=1, keepdim=True)
            # Whole cells: the rim goes on, as blocks of the denoiser round up.
            cell = adapter.downscale_factor
            padding = (0, -size.width % cell, 0, -size.height % cell)
            whole = functional.pad(pixels, padding, mode="replicate")
            with wrap.around(tiling):
                kept[size] = adapter(whole.to(self._device, self._dtype))
        return kept[size]

    def _from_disk(self, place: Path) -> tuple[Any, Wrap]:
        from diffusers.models.adapter import T2IAdapter

        if place.is_file():
            return network_of_file(T2IAdapter, self.part, place, adapter_config(place), self._dtype)
        return network(T2IAdapter, place, self._dtype)
