"""The LoRAs of a job. No torch, any thread."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from underpaint.engine.family import Assignment
from underpaint.errors import InvalidRequest, Violation
from underpaint.v1 import job_service_pb2
from underpaint.wire.loras import complete_lora


@dataclass(frozen=True, slots=True, order=True)
class PlannedLora:
    """One LoRA of a job. Jobs whose tuples of these are equal may share a forward pass."""

    path: Path
    strength: float
    text_encoder_strength: float
    written: int = 0
    """When its file was last written, in nanoseconds: training programs write one name again and again."""

    def strength_in(self, component: str) -> float:
        """How much it counts in a component of a model."""
        return self.text_encoder_strength if component.startswith("text_encoder") else self.strength


def plan_loras(assignment: Assignment) -> tuple[PlannedLora, ...]:
    """The LoRAs of a job, each file once, in order of their paths: sums do not depend on who came first.

    Raises `InvalidRequest` where the files did not come with the job.
    """
    named = assignment.spec.loras
    if len(assignment.loras) < len(named):
        raise _lost("spec.loras")
    sources = assignment.loras[: len(named)]
    return _planned((lora, Path(source.path)) for lora, source in zip(named, sources, strict=True))


def plan_region_loras(assignment: Assignment, number: int) -> tuple[PlannedLora, ...]:
    """The same for what one of its regions wears alone."""
    paths = {source.name: Path(source.path) for source in assignment.loras}
    named = assignment.spec.regions[number].loras
    if any(lora.name not in paths for lora in named):
        raise _lost(f"spec.regions[{number}].loras")
    return _planned((lora, paths[lora.name]) for lora in named)


def _planned(found: Iterable[tuple[job_service_pb2.Lora, Path]]) -> tuple[PlannedLora, ...]:
    strengths: dict[Path, tuple[float, float]] = {}
    for lora, path in found:
        complete_lora(lora)
        before = strengths.get(path, (0.0, 0.0))
        strengths[path] = (before[0] + lora.strength, before[1] + lora.text_encoder_strength)
    worn = (PlannedLora(path, *both, _written(path)) for path, both in strengths.items() if any(both))
    return tuple(sorted(worn))


def _written(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0  # loading it says what is wrong, and in better words


def _lost(field: str) -> InvalidRequest:
    fault = Violation(field, "came without the files that it names")
    return InvalidRequest(f"{fault.field} {fault.description}. Submit the job again.", violations=[fault])
