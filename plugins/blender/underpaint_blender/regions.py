# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts with words of their own: images that say where, and what they are for the session."""

from __future__ import annotations

from typing import Any

from underpaint.errors import InvalidRequest, Violation
from underpaint.host import AttachedRegion, RegionOffers, RegionRow, region_offers

from . import controls
from .covers import COVERS

_NO_IMAGE = "Choose the image that says where this region is."


def offers() -> RegionOffers:
    """What can be a region."""
    return region_offers(controls.offers(COVERS))


def row_of(item: Any) -> RegionRow:
    """An entry of the scene's list, as the session has it."""
    name = item.image.name if item.image is not None else ""
    ours = item.source == controls.IMAGE
    return RegionRow(
        prompt=item.prompt,
        source=item.source,
        choice=name if ours else item.choice,
        title=name if ours else item.choice or item.source,
        strength=item.strength,
        negative_prompt=item.negative,
    )


def problem(item: Any, settings: Any) -> str:
    """Why an entry cannot be used, as a sentence; "" if it can, as far as is known."""
    if item.source == controls.IMAGE and item.image is None:
        return _NO_IMAGE
    row, found = row_of(item), offers()
    wrong = [found.problem(row, model) for model in controls.models_of(settings)]
    return "" if "" in wrong else wrong[0]  # what either of them takes is no mistake yet


def attached(settings: Any) -> tuple[AttachedRegion, ...]:
    """For `Settings.regions`. Raises `InvalidRequest` for one that cannot be used."""
    if wrong := next(filter(None, (problem(item, settings) for item in settings.regions)), ""):
        raise InvalidRequest(wrong, violations=[Violation("regions", "has one that cannot be used")])
    return offers().attach(map(row_of, settings.regions)) if settings.regions else ()
