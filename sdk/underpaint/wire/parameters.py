"""Numbers that a person may set, as protobuf and back."""

from __future__ import annotations

from collections.abc import Iterable

from underpaint.types import Parameter
from underpaint.v1 import server_service_pb2


def parameters_from(messages: Iterable[server_service_pb2.Parameter]) -> tuple[Parameter, ...]:
    """Parameters of a processor or a scheduler."""
    return tuple(
        Parameter(
            name=found.name,
            title=found.title,
            default=found.default_value,
            minimum=found.minimum,
            maximum=found.maximum,
            step=found.step,
        )
        for found in messages
    )


def parameters_to(parameters: Iterable[Parameter]) -> list[server_service_pb2.Parameter]:
    """Parameters, as they travel."""
    return [
        server_service_pb2.Parameter(
            name=one.name,
            title=one.title,
            default_value=one.default,
            minimum=one.minimum,
            maximum=one.maximum,
            step=one.step,
        )
        for one in parameters
    ]
