"""Parts of a document attached to a job as control images, each with a role."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from underpaint.types import Bounds, Control, Image

if TYPE_CHECKING:
    from underpaint.hookspecs import ControlSource
    from underpaint.host.adapter import HostAdapter


@dataclass(frozen=True, slots=True)
class AttachedMask:
    """A control source whose coverage is a mask: a layer's alpha, the selection. White means all of it."""

    source: ControlSource
    choice: str = ""
    """A key of what `ControlSource.choices` gave; "" where it has none."""


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
    mask: AttachedMask | None = None
    """Where it counts; None: everywhere."""


def read_controls(
    attached: Iterable[AttachedControl], adapter: HostAdapter, document_id: str, bounds: Bounds
) -> tuple[Control, ...]:
    """The controls of a job that paints `bounds`, with their pixels; each part of a document is read once.

    On the host's main thread; `cropped_controls` then makes coverage of the masks, in any thread. Raises
    `HostError`, `PlaceGone` if what it reads is gone.
    """
    read: dict[tuple[object, str], Image] = {}

    def pixels(source: ControlSource, choice: str) -> Image:
        # By how it is read: a host may read the same image as a picture and as a mask.
        part = source.read, choice
        if part not in read:
            read[part] = source.read(adapter, document_id, bounds, choice)
        return read[part]

    controls = []
    for one in attached:
        controls.append(
            Control(
                image=pixels(one.source, one.choice),
                role=one.role,
                strength=one.strength,
                start=one.start,
                end=one.end,
                mask=pixels(one.mask.source, one.mask.choice) if one.mask is not None else None,
                model=one.model,
                preprocessor=one.preprocessor,
                parameters=one.parameters,
            )
        )
    return tuple(controls)
