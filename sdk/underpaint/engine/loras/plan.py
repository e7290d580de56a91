"""The LoRAs of a job. No torch, any thread."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from underpaint.engine.family import Assignment
from underpaint.errors import InvalidRequest, Violation
from underpaint.wire.loras import complete_lora


@dataclass(frozen=True, slots=True, order=True)
class PlannedLora:
    """One LoRA of a job. Jobs whose tuples of these are equal may share a forward pass."""

    path: Path
    strength: float
    text_encoder_strength: float

    def strength_in(self, component: str) -> float:
        """How much it counts in a component of a model."""
        return self.text_encoder_strength if component.startswith("text_encoder") else self.strength


def plan_loras(assignment: Assignment) -> tuple[PlannedLora, ...]:
    """The LoRAs of a job, each file once, in order of their paths: sums do not depend on who came first.

    Raises `InvalidRequest` where the files did not come with the job.
    """
    named = assignment.spec.loras
    if len(assignment.loras) != len(named):
        fault = Violation("spec.loras", "came without the files that it names")
        raise InvalidRequest(f"{fault.field} {fault.description}. Submit the job again.", violations=[fault])
    strengths: dict[Path, tuple[float, float]] = {}
    for lora, source in zip(named, assignment.loras, strict=True):
        complete_lora(lora)
        path = Path(source.path)
        before = strengths.get(path, (0.0, 0.0))
        strengths[path] = (before[0] + lora.strength, before[1] + lora.text_encoder_strength)
    return tuple(sorted(PlannedLora(path, *both) for path, both in strengths.items() if any(both)))
