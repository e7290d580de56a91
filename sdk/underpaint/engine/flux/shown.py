"""FLUX.1 Canny and Depth, and dev with their LoRAs: a control image that the transformer itself reads.

It reads it as latents beside those that it paints.
"""

from __future__ import annotations

from collections.abc import Sequence

from underpaint.engine.controls.plan import PlannedControl
from underpaint.errors import InvalidRequest, Violation
from underpaint.weights import kinds


def shown_of(controls: Sequence[PlannedControl]) -> PlannedControl | None:
    """The control image that the model itself reads, alone or with a LoRA, if there is one."""
    return next((one for one in controls if one.kind in (kinds.PIPELINE, kinds.CONTROL_LORA)), None)


def check_shown(model: str, role: str, controls: Sequence[PlannedControl]) -> None:
    """Raises `InvalidRequest` unless there is exactly one image for a model that reads one of a role.

    A model that reads none may read one with a LoRA.
    """
    count = sum(one.kind == kinds.PIPELINE for one in controls)
    loras = sum(one.kind == kinds.CONTROL_LORA for one in controls)
    if loras > 1:
        fault = Violation("spec.controls", f"may name one control LoRA, names {loras}")
        raise InvalidRequest(f"{fault.field} {fault.description}.", violations=[fault])
    if role and count != 1:
        what = f"must hold one {role!r} image, which the model {model!r} reads in every step, has {count}"
        fault = Violation("spec.controls", what)
        raise InvalidRequest(f"{fault.field} {fault.description}.", violations=[fault])
