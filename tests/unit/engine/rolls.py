"""Where a transformer's picture ends at each step, seen from the latents that a job keeps."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from tests.unit.engine.stock import Ours
from underpaint.engine.family import Assignment
from underpaint.v1 import job_service_pb2


def rolls(
    ours: Ours, spec: job_service_pb2.JobSpec, read: Callable[[torch.Tensor], torch.Tensor]
) -> list[tuple[int, int]]:
    """By how many rows and columns latents of 8 times 8 cells were rolled in each step but the first.

    `read` gives the latents in what the transformer is called with. The first step draws the noise as
    well, so there is nothing to compare with.
    """
    transformer, _ = ours.family._parts.network
    seen: list[torch.Tensor] = []
    plain = transformer.forward

    def watched(**inputs: torch.Tensor) -> object:
        seen.append(read(inputs["hidden_states"]))
        return plain(**inputs)

    found = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transformer, "forward", watched)
        task = ours.family.prepare(Assignment("jobs/t", spec, {}))
        while not task.ready_to_finish:
            before, calls = task.current.latents, len(seen)
            ours.family.step([task])
            if before is None or len(seen) == calls:
                continue
            shifts = [(y, x) for y in range(0, 8, 2) for x in range(0, 8, 2)]
            found += [by for by in shifts if torch.equal(torch.roll(before, by, (2, 3)), seen[-1])]
    return found
