"""Controls as protobuf, and what is wrong with one whatever the model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from underpaint.errors import Violation
from underpaint.types import Control, ControlModelInfo, ControlRole
from underpaint.v1 import image_pb2, job_service_pb2, model_service_pb2
from underpaint.wire.ranges import MAX_NAME, MAX_PARAMETERS, check_between, check_finite

MAX_CONTROLS: Final = 8
MAX_CONTROL_STRENGTH: Final = 2.0
MAX_PATH: Final = 4096
"""Longest name of a control model, which may be a path, in characters."""
_ROLE: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def control_to_message(
    control: Control, image: image_pb2.ImageRef, mask: image_pb2.ImageRef | None = None
) -> job_service_pb2.Control:
    """A control, as it travels; `image` and `mask` are its uploaded pixels."""
    return job_service_pb2.Control(
        image=image,
        role=control.role,
        strength=control.strength,
        start=control.start,
        end=control.end,
        mask=mask,
        model=control.model,
        preprocessor=control.preprocessor,
        parameters=control.parameters,
    )


def complete_control(control: job_service_pb2.Control) -> None:
    """Fills in what needs no model: strength 1.0, from the first step to the last."""
    control.strength = control.strength if control.HasField("strength") else 1.0
    control.start = control.start if control.HasField("start") else 0.0
    control.end = control.end if control.HasField("end") else 1.0


def check_controls(controls: Sequence[job_service_pb2.Control], field: str) -> list[Violation]:
    """Everything that is wrong with a specification's controls, as far as no model is needed for it."""
    found = _too_many(controls, field)
    for index, given in enumerate(controls[:MAX_CONTROLS]):
        where = f"{field}.controls[{index}]"
        control = job_service_pb2.Control()
        control.CopyFrom(given)
        complete_control(control)
        for name in ("image", "mask"):
            if (name == "image" or control.HasField(name)) and not getattr(control, name).blob:
                text = "name a sealed blob: upload the pixels first"
                found.append(Violation(f"{where}.{name}.blob", text))
        shares = (control.strength, control.start, control.end)
        names = (control.role, control.model, control.preprocessor)
        found += _check(where, names, shares, control.parameters)
    return found


def check_control_types(controls: Sequence[Control], field: str) -> list[Violation]:
    """`check_controls` for the value types."""
    found = _too_many(controls, field)
    for index, control in enumerate(controls[:MAX_CONTROLS]):
        where = f"{field}.controls[{index}]"
        shares = (control.strength, control.start, control.end)
        found += _check(
            where, (control.role, control.model, control.preprocessor), shares, control.parameters
        )
        if control.mask is not None and control.mask.format.channels.count != 1:
            text = f"must have one channel, got {control.mask.format.channels.value}"
            found.append(Violation(f"{where}.mask", text))
    return found


def roles_from(messages: Iterable[model_service_pb2.ControlRole]) -> tuple[ControlRole, ...]:
    """Roles that a model takes."""
    return tuple(ControlRole(message.role, tuple(message.models)) for message in messages)


def roles_to(roles: Iterable[ControlRole]) -> list[model_service_pb2.ControlRole]:
    """Roles that a model takes, as they travel."""
    return [model_service_pb2.ControlRole(role=one.role, models=one.models) for one in roles]


def control_model_to_info(message: model_service_pb2.ControlModel) -> ControlModelInfo:
    """A control model."""
    return ControlModelInfo(
        name=message.name,
        title=message.title,
        family=message.family,
        path=message.path,
        roles=tuple(message.roles),
        models=tuple(message.models),
        size_bytes=message.size_bytes,
        problem=message.problem,
        license=message.license,
        kind=message.kind,
    )


def info_to_control_model(info: ControlModelInfo) -> model_service_pb2.ControlModel:
    """A control model, as it travels."""
    return model_service_pb2.ControlModel(
        name=info.name,
        title=info.title,
        family=info.family,
        path=info.path,
        roles=info.roles,
        models=info.models,
        size_bytes=info.size_bytes,
        problem=info.problem,
        license=info.license,
        kind=info.kind,
    )


def _too_many(controls: Sequence[object], field: str) -> list[Violation]:
    if len(controls) <= MAX_CONTROLS:
        return []
    return [Violation(f"{field}.controls", f"may hold {MAX_CONTROLS} controls, got {len(controls)}")]


def _check(
    where: str,
    names: tuple[str, str, str],
    shares: tuple[float, float, float],
    parameters: Mapping[str, float],
) -> list[Violation]:
    (role, model, preprocessor), (strength, start, end) = names, shares
    found: list[Violation] = []
    if len(role) > MAX_NAME or not _ROLE.fullmatch(role):
        text = f"name a role in kebab-case, line-art for example, got {role[:60]!r}"
        found.append(Violation(f"{where}.role", text))
    for name, value, limit in (("model", model, MAX_PATH), ("preprocessor", preprocessor, MAX_NAME)):
        if len(value) > limit:
            found.append(Violation(f"{where}.{name}", f"may have {limit} characters, got {len(value)}"))
    found += check_between(f"{where}.strength", strength, MAX_CONTROL_STRENGTH)
    found += check_between(f"{where}.start", start, 1.0)
    # Written so that NaN is refused too.
    if not start < end <= 1.0 and 0.0 <= start <= 1.0:
        found.append(Violation(f"{where}.end", f"must be above start ({start:g}) and at most 1, got {end}"))
    if parameters and not preprocessor:
        found.append(Violation(f"{where}.parameters", "are a preprocessor's: name one, or leave them out"))
    if len(parameters) > MAX_PARAMETERS:
        text = f"may hold {MAX_PARAMETERS} values, got {len(parameters)}"
        found.append(Violation(f"{where}.parameters", text))
    return found + check_finite(parameters, f"{where}.parameters")
