"""Reference pictures for FLUX.1, through Redux or an IP-Adapter, for either side of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from tests.unit.engine.stock import RGB, Case, Ours, photo
from tests.unit.engine.test_control_parity import run
from tests.unit.engine.test_flux_control_parity import Net
from tests.unit.engine.test_flux_control_parity import assignment as controlled
from underpaint.engine.family import Assignment
from underpaint.engine.pixels import Raster
from underpaint.types import MASK_FORMAT
from underpaint.v1 import image_pb2, job_service_pb2
from underpaint.weights import kinds
from underpaint.worker_v1.worker_service_pb2 import ControlSource


@dataclass(frozen=True)
class Look:
    """One reference: a Redux' folder or an adapter's file, the seed of its picture, how much it counts."""

    place: Path
    picture: int = 5
    strength: float = 1.0
    mask: np.ndarray | None = None
    start: float = 0.0
    end: float = 1.0

    @property
    def encoder(self) -> Path:
        """The image encoder's folder."""
        return (self.place if self.place.is_dir() else self.place.parent) / "image_encoder"

    def pixels(self) -> np.ndarray:
        """The picture, RGB."""
        return photo(72, 48, seed=self.picture)


def assignment(
    case: Case, looks: Sequence[Look], nets: Sequence[Net] = (), job: str = "jobs/1"
) -> Assignment:
    """A case with references, behind controls, as a family gets it."""
    given = controlled(case, nets, job)
    inputs, sources = dict(given.inputs), list(given.controls)
    for number, one in enumerate(looks):
        blob = f"blobs/look-{number}"
        inputs[blob] = Raster.over(one.pixels().tobytes(), RGB, 72, 48)
        control = job_service_pb2.Control(
            image=image_pb2.ImageRef(blob=blob),
            role="reference",
            strength=one.strength,
            start=one.start,
            end=one.end,
        )
        if one.mask is not None:
            control.mask.blob = f"blobs/part-{number}"
            inputs[control.mask.blob] = Raster.over(one.mask.tobytes(), MASK_FORMAT, 64, 64)
        given.spec.controls.append(control)
        source = ControlSource(name=one.place.stem, path=str(one.place), image_encoder=str(one.encoder))
        source.kind = kinds.REDUX if one.place.is_dir() else kinds.IP_ADAPTER
        sources.append(source)
    return replace(given, inputs=inputs, controls=tuple(sources))


def made(ours: Ours, given: Assignment) -> torch.Tensor:
    """The last latents of a job."""
    found = run(ours, given).current.latents
    assert found is not None
    return found


def latents(ours: Ours, case: Case, looks: Sequence[Look], nets: Sequence[Net] = ()) -> torch.Tensor:
    """The last latents of a case with references."""
    return made(ours, assignment(case, looks, nets))
