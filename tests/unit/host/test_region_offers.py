"""What panels offer for regions, what rows remember, and in which order they are sent."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from tests.support.recording import RecordingHost
from underpaint.errors import InvalidRequest
from underpaint.host import (
    MOST_REGIONS,
    RegionOffers,
    RegionRow,
    control_offers,
    pack_regions,
    region_offers,
    unpack_regions,
)
from underpaint.host.control_offers import ControlPlace
from underpaint.host.extensions import Extensions
from underpaint.testing.reference import Document, PaintLayer, Selection
from underpaint.types import Bounds, ModelInfo

ABLE, UNABLE = ModelInfo(name="swatch", regions=True), ModelInfo(name="bare", title="Bare")


@pytest.fixture
def farm(host: RecordingHost) -> Document:
    """Two layers, a part of it selected."""
    layers = [PaintLayer(name=name, samples=np.zeros((48, 64, 4), np.uint8)) for name in ("Barn", "Field")]
    document = host.open(Document(64, 48, layers=layers))
    document.select(Selection.rectangle(Bounds(1, 1, 9, 9)))
    return document


def offers_in(host: RecordingHost) -> RegionOffers:
    return region_offers(control_offers(host, Extensions(()).control_sources_for(host)))


def named(offers: RegionOffers, title: str) -> ControlPlace:
    return next(place for place in offers.places if place.title == title)


def row_of(offers: RegionOffers, title: str, prompt: str = "moss") -> RegionRow:
    return offers.with_place(RegionRow(prompt=prompt), named(offers, title))


def test_layers_and_the_selection_can_be_regions_and_the_picture_as_a_whole_cannot(
    host: RecordingHost, farm: Document
) -> None:
    assert [place.title for place in offers_in(host).places] == ["Barn", "Field", "Selection"]


def test_a_new_row_is_the_active_layer_then_one_without_words(host: RecordingHost, farm: Document) -> None:
    offers = offers_in(host)
    field = named(offers, "Field")
    first = offers.new_row(layer=field.choice)
    assert first == RegionRow(prompt="", choice=field.choice, title="Field")
    second = offers.new_row([first], layer=field.choice)
    assert second is not None and second.title == "Barn"
    third = offers.new_row([first, second], layer=field.choice)
    assert third is not None and third.source == "selection"
    fourth = offers.new_row([first, second, third], layer=field.choice)
    assert fourth is not None and fourth.title == "Field"
    assert RegionOffers(()).new_row() is None


def test_regions_are_sent_as_their_layers_lie_and_the_selection_over_them(
    host: RecordingHost, farm: Document
) -> None:
    offers = offers_in(host)
    rows = [row_of(offers, title, title) for title in ("Selection", "Barn", "Field")]
    attached = offers.attach(rows)
    assert [(one.source.name, one.prompt) for one in attached] == [
        ("layer", "Field"),
        ("layer", "Barn"),
        ("selection", "Selection"),
    ]
    (weak,) = offers.attach([replace(rows[1], strength=0.5, negative_prompt="sand")])
    assert (weak.strength, weak.negative_prompt, weak.choice) == (0.5, "sand", rows[1].choice)


def test_what_is_wrong_with_a_region_is_said_with_a_way_out(host: RecordingHost, farm: Document) -> None:
    offers = offers_in(host)
    good = row_of(offers, "Barn")
    assert offers.problem(good, ABLE) == offers.problem(good, None) == ""
    assert offers.problem(good, UNABLE) == "Bare takes no regions: remove them, or choose another model."
    assert offers.problem(replace(good, choice="gone"), ABLE).startswith("“Barn” is gone: choose something")
    assert offers.problem(replace(good, prompt="  "), ABLE).startswith("Say what to paint in “Barn”")
    farm.select(None)
    assert "Nothing is selected" in offers_in(host).problem(row_of(offers, "Selection"), ABLE)


@pytest.mark.parametrize(("fault", "field"), [({"choice": "gone"}, "choice"), ({"prompt": ""}, "prompt")])
def test_a_region_that_cannot_be_used_is_refused_by_field(
    host: RecordingHost, farm: Document, fault: dict[str, str], field: str
) -> None:
    offers = offers_in(host)
    rows = [row_of(offers, "Barn"), replace(row_of(offers, "Field"), **fault)]
    with pytest.raises(InvalidRequest) as refused:
        offers.attach(rows)
    assert refused.value.violations[0].field == f"regions[1].{field}"


def test_rows_survive_as_text() -> None:
    rows = (
        RegionRow(prompt="grünes Gras", choice="7", title="Wiese", strength=0.5, negative_prompt="Moos"),
        RegionRow(prompt="", source="selection"),
    )
    assert unpack_regions(pack_regions(rows)) == rows
    assert pack_regions(()) == "" and unpack_regions(" ") == ()


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("moss", "regions"),
        ('[{"choice": "7"}]', "regions[0]"),
        ('[{"prompt": "moss", "strength": 1.5}]', "regions[0].strength"),
        ('[{"prompt": "moss", "role": "depth"}]', "regions[0].role"),
        (json.dumps([{"prompt": "moss"}] * (MOST_REGIONS + 1)), "regions"),
    ],
)
def test_text_that_is_no_rows_is_refused_by_field(text: str, field: str) -> None:
    with pytest.raises(InvalidRequest, match="regions") as refused:
        unpack_regions(text)
    assert refused.value.violations[0].field == field
