"""Parts of a document attached to a job as control images, each with a role."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from underpaint.types import Bounds, Control, Image

if TYPE_CHECKING:
    from underpaint.hookspecs import ControlSource
    from underpaint.host.adapter import HostAdapter


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachedControl:
    """A control source, what is chosen of it, and what the picture shall keep to: a row of a panel.

    The pixels are read when a verb starts, where it paints. The other fields are those of `Control`.
    """

    source: ControlSource
    """From `Extensions.control_sources_for`: the visible picture, a layer, the selection and so on."""
    role: str
    """One of the model's `ModelInfo.controls`."""
    choice: str = ""
    """A key of what `ControlSource.choices` gave; "" where it has none."""
    strength: float = 1.0
    start: float = 0.0
    end: float = 1.0
    model: str = ""
    preprocessor: str = ""
    parameters: Mapping[str, float] = field(default_factory=dict)


def read_controls(
    attached: Iterable[AttachedControl], adapter: HostAdapter, document_id: str, bounds: Bounds
) -> tuple[Control, ...]:
    """The controls of a job that paints `bounds`, with their pixels; each part of a document is read once.

    On the host's main thread. Raises `HostError`, `PlaceGone` if what it reads is gone.
    """
    read: dict[tuple[str, str], Image] = {}
    controls = []
    for one in attached:
        part = one.source.name, one.choice
        if part not in read:
            read[part] = one.source.read(adapter, document_id, bounds, one.choice)
        controls.append(
            Control(
                image=read[part],
                role=one.role,
                strength=one.strength,
                start=one.start,
                end=one.end,
                model=one.model,
                preprocessor=one.preprocessor,
                parameters=one.parameters,
            )
        )
    return tuple(controls)
