"""FLUX.1 Canny and Depth: a control image that the transformer itself reads, as latents beside its own."""

from __future__ import annotations

from collections.abc import Sequence

from underpaint.engine.controls.plan import PlannedControl
from underpaint.errors import InvalidRequest, Violation
from underpaint.weights import kinds


def shown_of(controls: Sequence[PlannedControl]) -> PlannedControl | None:
    """The control image that the model itself reads, if there is one."""
    return next((one for one in controls if one.kind == kinds.PIPELINE), None)


def check_shown(model: str, role: str, controls: Sequence[PlannedControl]) -> None:
    """Raises `InvalidRequest` unless there is exactly one image for a model that reads one."""
    count = sum(one.kind == kinds.PIPELINE for one in controls)
    if count != 1:
        what = f"must hold one {role!r} image, which the model {model!r} reads in every step, has {count}"
        fault = Violation("spec.controls", what)
        raise InvalidRequest(f"{fault.field} {fault.description}.", violations=[fault])
