"""Schedulers in specifications: names that the family knows, parameters in their ranges."""

from __future__ import annotations

from underpaint.errors import Violation
from underpaint.hookspecs import FamilyDescriptor
from underpaint.v1.job_service_pb2 import JobSpec


def check_scheduler(spec: JobSpec, family: FamilyDescriptor) -> list[Violation]:
    """What is wrong with a specification's scheduler and its parameters; names fields of "spec"."""
    if spec.scheduler not in family.schedulers:
        known = ", ".join(family.schedulers)
        return [Violation("spec.scheduler", f"{spec.scheduler[:60]!r} is none of {known}")]
    infos = (info.parameters for info in family.scheduler_info if info.name == spec.scheduler)
    known_parameters = {one.name: one for one in next(infos, ())}
    found: list[Violation] = []
    for name, value in sorted(spec.scheduler_parameters.items()):
        where = f"spec.scheduler_parameters.{name[:60]}"
        parameter = known_parameters.get(name)
        if parameter is None:
            names = ", ".join(known_parameters) or "none"
            found.append(
                Violation(where, f"is no parameter of the scheduler {spec.scheduler}, which has: {names}")
            )
        elif not parameter.minimum <= value <= parameter.maximum:
            text = f"must be {parameter.minimum:g} to {parameter.maximum:g}, got {value:g}"
            found.append(Violation(where, text))
        elif parameter.step and not (value / parameter.step).is_integer():
            found.append(Violation(where, f"must be a multiple of {parameter.step:g}, got {value:g}"))
    return found
