"""What a panel offers for regions: what a document has that covers a part of it, and what is wrong.

regions = region_offers(control_offers(adapter, sources))
row = regions.new_row(rows, layer=active)
reason = regions.problem(row, model)  # beside the row; "" if it can be used
settings = Settings(regions=regions.attach([row]))
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from underpaint.errors import InvalidRequest, Violation
from underpaint.host.control_offers import ControlOffers, ControlPlace, place_named
from underpaint.host.region_rows import RegionRow
from underpaint.host.regions import AttachedRegion
from underpaint.types import ModelInfo


@dataclass(frozen=True, slots=True)
class RegionOffers:
    """What can be a region in one document now."""

    places: tuple[ControlPlace, ...]
    """Layers from top to bottom, the selection, what plug-ins add."""

    def place_of(self, row: RegionRow) -> ControlPlace | None:
        """What a row looks at; None if that is gone."""
        return place_named(self.places, row.source, row.choice)

    def new_row(self, rows: Sequence[RegionRow] = (), *, layer: str = "") -> RegionRow | None:
        """A row for *Add*, still without words: of `layer`, the active one, or else the first that is free.

        None where there is nothing that could be one.
        """
        taken = {(row.source, row.choice) for row in rows}
        places = [place for place in self.places if not place.problem]
        free = [place for place in places if (place.source.name, place.choice) not in taken] or places
        if not free:
            return None
        active = [place for place in free if layer and (place.source.name, place.choice) == ("layer", layer)]
        return self.with_place(RegionRow(prompt=""), (active or free)[0])

    def with_place(self, row: RegionRow, place: ControlPlace) -> RegionRow:
        """The row for another part of the document."""
        return replace(row, source=place.source.name, choice=place.choice, title=place.title)

    def problem(self, row: RegionRow, model: ModelInfo | None) -> str:
        """Why a row cannot be used with `model` (None: not known yet), as a sentence; "" if it can."""
        if model is not None and (reason := why_no_regions(model)):
            return reason
        place = self.place_of(row)
        if place is None:
            what = f"“{row.title}”" if row.title else "What this region covered"
            return f"{what} is gone: choose something else for its region, or remove it."
        if place.problem:
            return place.problem
        if not row.prompt.strip():
            return f"Say what to paint in “{row.title or place.title}”, or remove its region."
        return ""

    def attach(self, rows: Iterable[RegionRow]) -> tuple[AttachedRegion, ...]:
        """The rows as `Settings.regions` wants them, the lowest first: layers lie as in the document.

        What is no layer lies over the layers, in the order of the rows. Raises `InvalidRequest` for a row
        that cannot be used.
        """
        attached: list[tuple[tuple[int, int], AttachedRegion]] = []
        for number, row in enumerate(rows):
            place, reason = self.place_of(row), self.problem(row, None)
            if place is None or reason:
                where = "choice" if place is None or place.problem else "prompt"
                raise InvalidRequest(reason, violations=[Violation(f"regions[{number}].{where}", reason)])
            region = AttachedRegion(
                source=place.source,
                prompt=row.prompt,
                choice=row.choice,
                strength=row.strength,
                negative_prompt=row.negative_prompt,
            )
            layered = place.source.name == "layer"
            attached.append(((0, -self.places.index(place)) if layered else (1, number), region))
        return tuple(region for _, region in sorted(attached, key=lambda one: one[0]))


def region_offers(offers: ControlOffers) -> RegionOffers:
    """What of a document's places can be a region: what it shows as a whole is none."""
    return RegionOffers(offers.masks)


def why_no_regions(model: ModelInfo) -> str:
    """Why a model takes no regions, as a sentence; "" if it takes them."""
    if model.regions:
        return ""
    return f"{model.title or model.name} takes no regions: remove them, or choose another model."
