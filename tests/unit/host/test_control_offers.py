"""What panels offer for controls, and what rows remember."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import underpaint
from tests.support.recording import RecordingHost
from underpaint.errors import InvalidRequest, PlaceGone
from underpaint.hookspecs import ControlSource
from underpaint.host import (
    MOST_ROWS,
    AttachedMask,
    ControlOffers,
    ControlRow,
    Session,
    TaskState,
    control_models_for,
    control_offers,
    pack_rows,
    roles_of,
    unpack_rows,
)
from underpaint.host.extensions import Extensions
from underpaint.testing.fake_daemon import FakeDaemon
from underpaint.testing.reference import Document, PaintLayer, Selection
from underpaint.types import Bounds, ControlRole, ModelInfo, PreprocessorInfo

PREPROCESSORS = tuple(
    PreprocessorInfo(name=name, title=name.capitalize(), role=role)
    for name, role in (("canny", "canny"), ("drawn", "line-art"), ("normals", "normal"), ("soft", "tile"))
)
SWATCH = ModelInfo(
    name="swatch", title="Swatch", controls=tuple(map(ControlRole, ("canny", "depth", "line-art")))
)
BARE = ModelInfo(name="bare")


@pytest.fixture
def farm(host: RecordingHost) -> Document:
    """Two layers, nothing selected."""
    layers = [PaintLayer(name=name, samples=np.zeros((48, 64, 4), np.uint8)) for name in ("Sketch", "Field")]
    return host.open(Document(64, 48, layers=layers))


def offers_in(host: RecordingHost, *more: ControlSource) -> ControlOffers:
    return control_offers(host, [*Extensions(()).control_sources_for(host), *more], PREPROCESSORS)


def named(offers: ControlOffers, title: str) -> Any:
    return next(place for place in offers.places if place.title == title)


def test_a_document_offers_its_layers_its_picture_and_its_selection(
    host: RecordingHost, farm: Document
) -> None:
    titles = [place.title for place in offers_in(host).places]
    assert titles == ["Sketch", "Field", "Selection", "Visible picture"]
    assert "Nothing is selected" in named(offers_in(host), "Selection").problem
    farm.select(Selection.rectangle(Bounds(1, 1, 9, 9)))
    assert named(offers_in(host), "Selection").problem == ""
    cheap = control_offers(host, Extensions(()).control_sources_for(host), selected=lambda: False)
    assert "Nothing is selected" in named(cheap, "Selection").problem


def test_without_a_document_what_is_offered_says_what_to_do(host: RecordingHost) -> None:
    offers = offers_in(host)
    assert "No document is open" in named(offers, "Selection").problem
    assert not [place for place in offers.places if place.source.name == "layer"]


def test_a_source_that_fails_takes_nothing_from_the_others(host: RecordingHost, farm: Document) -> None:
    def broken(adapter: object, document_id: str) -> dict[str, str]:
        raise RuntimeError("no such camera")

    def read(*_: object) -> Any:
        raise AssertionError("nobody reads it")

    camera = ControlSource(name="camera", title="Camera", read=read, choices=broken)
    assert len(offers_in(host, camera).places) == 4


def test_a_new_row_is_a_drawing_on_the_active_layer_made_into_lines(
    host: RecordingHost, farm: Document
) -> None:
    offers = offers_in(host)
    field = named(offers, "Field")
    row = offers.new_row(roles_of([SWATCH]), layer=field.choice)
    assert row == ControlRow(role="line-art", choice=field.choice, title="Field", preprocessor="drawn")
    second = offers.new_row(roles_of([SWATCH]), [row])
    assert second is not None
    assert (second.role, second.title, second.preprocessor) == ("canny", "Sketch", "canny")
    assert offers.new_row(()) is None


def test_a_role_has_the_preprocessors_that_make_such_images(host: RecordingHost, farm: Document) -> None:
    offers = offers_in(host)
    assert [one.name for one in offers.preprocessors_for("line-art")] == ["drawn", "canny"]
    assert [one.name for one in offers.preprocessors_for("blur")] == ["soft"]
    assert offers.preprocessors_for("depth") == []


def test_another_role_brings_its_preprocessor_unless_the_image_was_wanted_as_it_is(
    host: RecordingHost, farm: Document
) -> None:
    offers = offers_in(host)
    row = ControlRow(role="line-art", preprocessor="drawn", model="lines")
    assert offers.with_role(row, "canny") == replace(row, role="canny", preprocessor="canny", model="")
    assert offers.with_role(row, "depth").preprocessor == ""
    assert offers.with_role(replace(row, preprocessor=""), "canny").preprocessor == ""
    assert offers.with_role(ControlRow(role="depth"), "canny").preprocessor == "canny"


def test_what_is_wrong_with_a_row_is_said_with_a_way_out(host: RecordingHost, farm: Document) -> None:
    offers = offers_in(host)
    good = offers.new_row(roles_of([SWATCH]))
    assert good is not None
    assert offers.problem(good, SWATCH) == offers.problem(good, None) == ""
    assert "bare takes no control images: choose another model" in offers.problem(good, BARE)
    said = offers.problem(replace(good, role="pose"), SWATCH)
    assert said == "Swatch takes no pose image: choose canny, depth or line art."
    assert offers.problem(replace(good, role="pose", model="openpose"), SWATCH) == ""
    assert offers.problem(replace(good, choice="gone"), SWATCH).startswith("“Sketch” is gone")
    assert "must end after" in offers.problem(replace(good, start=0.5, end=0.5), SWATCH)
    assert "no preprocessor “hed”" in offers.problem(replace(good, preprocessor="hed"), SWATCH)
    lacking = PreprocessorInfo(name="pose", role="pose", problem="It needs weights. Put some there.")
    blocked = replace(offers, preprocessors=(*offers.preprocessors, lacking))
    assert blocked.problem(replace(good, preprocessor="pose"), SWATCH) == lacking.problem
    nothing = offers.with_place(good, named(offers, "Selection"))
    assert "Nothing is selected" in offers.problem(nothing, SWATCH)


def test_a_row_counts_everywhere_or_where_something_covers_the_document(
    host: RecordingHost, farm: Document
) -> None:
    offers = offers_in(host)
    assert [place.title for place in offers.masks] == ["Sketch", "Field", "Selection"]
    everywhere = offers.new_row(["depth"])
    assert everywhere is not None and offers.mask_of(everywhere) is None
    field = named(offers, "Field")
    row = offers.with_mask(everywhere, field)
    assert offers.mask_of(row) == field and offers.problem(row, SWATCH) == ""
    (attached,) = offers.attach([row])
    assert attached.mask == AttachedMask(field.source, field.choice)
    assert offers.with_mask(row, None) == everywhere
    assert "Nothing is selected" in offers.problem(offers.with_mask(row, named(offers, "Selection")), SWATCH)
    lost = replace(row, mask_choice="gone")
    assert offers.problem(lost, SWATCH).startswith("“Field” is gone: choose something else for where")
    with pytest.raises(InvalidRequest, match="is gone") as refused:
        offers.attach([lost])
    assert refused.value.violations[0].field == "controls[0].mask_choice"


def test_a_roles_control_models_are_offered_the_default_first() -> None:
    lines = ModelInfo(name="a", controls=(ControlRole("line-art", ("fine", "coarse")),))
    other = ModelInfo(name="b", controls=(ControlRole("line-art", ("coarse", "bold")), ControlRole("depth")))
    assert control_models_for([lines, None, other], "line-art") == ("fine", "coarse", "bold")
    assert control_models_for([lines, other], "depth") == ()


def test_rows_are_attached_with_everything_that_they_say(host: RecordingHost, farm: Document) -> None:
    offers = offers_in(host)
    sketch = named(offers, "Sketch")
    row = offers.with_place(ControlRow(role="line-art", strength=0.5, start=0.1, end=0.9, model="m"), sketch)
    (attached,) = offers.attach([row])
    assert attached.source.name == "layer" and attached.choice == sketch.choice
    assert (attached.strength, attached.start, attached.end, attached.model) == (0.5, 0.1, 0.9, "m")
    with pytest.raises(InvalidRequest, match="is gone") as refused:
        offers.attach([row, replace(row, choice="gone")])
    assert refused.value.violations[0].field == "controls[1].choice"


def test_rows_survive_as_text() -> None:
    rows = (
        ControlRow(role="line-art", choice="7", title="Größe", strength=0.5, parameters={"width": 3.0}),
        ControlRow(role="depth", source="merged", end=0.6),
    )
    assert unpack_rows(pack_rows(rows)) == rows
    assert pack_rows(()) == "" and unpack_rows("") == ()
    assert unpack_rows('{"role": "depth", "source": "merged", "end": 0.6}') == rows[1:]


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("lines", "controls"),
        ("[1]", "controls[0]"),
        ('[{"choice": "7"}]', "controls[0]"),
        ('[{"role": "depth"}, {"role": "depth", "strength": 3}]', "controls[1].strength"),
        ('[{"role": "depth", "end": true}]', "controls[0].end"),
        ('[{"role": "depth", "end": NaN}]', "controls[0].end"),
        ('[{"role": "depth", "stregth": 1}]', "controls[0].stregth"),
        ('[{"role": "depth", "choice": 7}]', "controls[0].choice"),
        ('[{"role": "depth", "parameters": {"width": "3"}}]', "controls[0].parameters"),
        (json.dumps([{"role": "depth"}] * (MOST_ROWS + 1)), "controls"),
    ],
)
def test_text_that_is_no_rows_is_refused_by_field(text: str, field: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        unpack_rows(text)
    assert refused.value.violations[0].field == field


@pytest.fixture
def session(host: RecordingHost, daemon: FakeDaemon) -> Iterator[Session]:
    made = Session(host, lambda: underpaint.connect(start=False))
    yield made
    made.close()


def test_a_session_asks_for_the_preprocessors(
    host: RecordingHost, session: Session, daemon: FakeDaemon
) -> None:
    daemon.preprocessors += PREPROCESSORS
    found: list[Any] = []
    session.preprocessors(found.extend)
    host.queue.pump_until(lambda: bool(found), timeout=30)
    assert [one.name for one in found] == [one.name for one in PREPROCESSORS]


def test_a_control_image_becomes_a_layer_that_one_undo_takes_away(
    host: RecordingHost, session: Session, daemon: FakeDaemon, farm: Document
) -> None:
    daemon.preprocessors += PREPROCESSORS
    offers = offers_in(host)
    (control,) = offers.attach([offers.new_row(["line-art"])])
    task = session.control_layer(control, "Lines of Sketch")
    host.queue.pump_until(lambda: task.done, timeout=30)
    assert task.state is TaskState.PLACED, task.error
    assert [layer.name for layer in host.list_layers(farm.document_id)][0] == "Lines of Sketch"
    farm.undo()
    assert len(host.list_layers(farm.document_id)) == 2


def test_a_control_layer_is_refused_where_nothing_would_be_made(
    host: RecordingHost, session: Session, farm: Document
) -> None:
    offers = offers_in(host)
    row = offers.new_row(["line-art"])
    assert row is not None
    (as_it_is,) = offers.attach([replace(row, preprocessor="")])
    (drawn,) = offers.attach([row])
    for control, error in ((as_it_is, InvalidRequest), (replace(drawn, choice="gone"), PlaceGone)):
        task = session.control_layer(control)
        host.queue.pump_until(lambda task=task: task.done, timeout=30)
        assert isinstance(task.error, error)
