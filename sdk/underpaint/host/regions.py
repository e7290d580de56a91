"""Parts of a document attached to a job as regions, each with a prompt of its own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from underpaint.host.controls import AttachedControl, read_controls
from underpaint.host.coverage import coverage_of
from underpaint.host.cropping import cropped, cropped_controls
from underpaint.types import Bounds, Lora, Region

if TYPE_CHECKING:
    from underpaint.hookspecs import ControlSource
    from underpaint.host.adapter import HostAdapter


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachedRegion:
    """A part of a document, and what to paint there: a row of a panel.

    What a layer covers, whatever its colour, or what the selection does. Read when a verb starts, where it
    paints. The lowest region comes first, as in `GenerateRequest.regions`.
    """

    source: ControlSource
    """From `Extensions.control_sources_for`: a layer, the selection and so on."""
    prompt: str
    choice: str = ""
    """A key of what `ControlSource.choices` gave; "" where it has none."""
    strength: float = 1.0
    controls: tuple[AttachedControl, ...] = ()
    """What this part keeps to."""
    negative_prompt: str = ""
    """What to avoid there; "": as everywhere."""
    loras: tuple[Lora, ...] = ()
    """What changes the model in this part alone."""


def read_regions(
    attached: Iterable[AttachedRegion], adapter: HostAdapter, document_id: str, bounds: Bounds
) -> tuple[Region, ...]:
    """The regions of a job that paints `bounds`, their masks as they are read. On the host's main thread.

    `covering` makes them ready to be sent, in any thread. Raises `HostError`, `PlaceGone` if what it reads
    is gone.
    """
    return tuple(
        Region(
            mask=one.source.read(adapter, document_id, bounds, one.choice),
            prompt=one.prompt,
            strength=one.strength,
            controls=read_controls(one.controls, adapter, document_id, bounds),
            negative_prompt=one.negative_prompt,
            loras=one.loras,
        )
        for one in attached
    )


def covering(regions: Iterable[Region], bounds: Bounds) -> tuple[Region, ...]:
    """Regions that were read, cut to `bounds` (inside what was read), their masks made coverage."""
    return tuple(
        replace(
            region,
            mask=coverage_of(cropped(region.mask, bounds)),
            controls=cropped_controls(region.controls, bounds),
        )
        for region in regions
    )
