# SPDX-License-Identifier: GPL-3.0-or-later
"""Layers with words of their own: as the argument `regions`, and as an image remembers them."""

from __future__ import annotations

from typing import Any

from underpaint.errors import InvalidRequest
from underpaint.host import (
    AttachedRegion,
    RegionOffers,
    RegionRow,
    pack_regions,
    region_offers,
    unpack_regions,
)

from . import controls
from .adapter import GimpAdapter
from .arguments import text_of
from .notes import keep_note, read_note

PARASITE = "underpaint-regions"


def attached(config: Any, adapter: GimpAdapter) -> tuple[AttachedRegion, ...]:
    """What the argument names, as settings have it. Raises `InvalidRequest`."""
    rows = unpack_regions(text_of(config, "regions")) if has_regions(config) else ()
    return offers_of(adapter).attach(rows) if rows else ()


def has_regions(config: Any) -> bool:
    """Whether a procedure takes any: those that work without words do not."""
    return config.find_property("regions") is not None


def offers_of(adapter: GimpAdapter) -> RegionOffers:
    """What can be a region in the image."""
    return region_offers(controls.offers_of(adapter))


def recall(image: Any, config: Any) -> None:
    """Sets the argument to this image's regions: GIMP's own last values may be another image's."""
    if has_regions(config):
        config.set_property("regions", pack_regions(rows_of(image)))


def remember(image: Any, config: Any) -> None:
    """Keeps the argument's regions with the image."""
    if has_regions(config):
        keep_note(image, PARASITE, pack_regions(unpack_regions(text_of(config, "regions"))))


def rows_of(image: Any) -> tuple[RegionRow, ...]:
    """An image's regions."""
    try:
        return unpack_regions(read_note(image, PARASITE))
    except InvalidRequest:
        return ()  # of a version to come
