"""Upscaling as a verb: a picture of its own, from what is seen or from one layer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.recording import RecordingHost
from underpaint.client import connect
from underpaint.host import ResultKind, Session, Settings, TaskState, load_extensions, values_for
from underpaint.testing.fake_daemon import FakeDaemon
from underpaint.testing.reference import Document
from underpaint.types import Tiling


@pytest.fixture
def session(host: RecordingHost, daemon: FakeDaemon) -> Iterator[Session]:
    made = Session(host, lambda: connect(start=False, reconnect_for=0.1))
    yield made
    made.close()


@pytest.mark.parametrize("layer", [None, "ground"], ids=["the picture", "a layer"])
def test_a_larger_picture_is_a_document_of_its_own(
    session: Session, host: RecordingHost, paper: Document, daemon: FakeDaemon, layer: str | None
) -> None:
    steps = len(paper.undo_steps)
    task = session.upscale("moss", Settings(strength=0.4, tiling=Tiling.Y), factor=2.5, source_layer=layer)
    host.finish(task)
    assert (task.state, task.error) == (TaskState.PLACED, None)
    (result,) = host.results
    assert (result.image.width, result.image.height) == (1000, 750)
    assert (result.kind, result.document_id, result.name) == (ResultKind.TEXTURE, "", "barn.kra, larger")
    assert len(paper.undo_steps) == steps, "the picture it was made from is as it was"
    assert task.update is not None
    resolved = task.update.resolved
    asked = resolved["upscale"]
    assert isinstance(asked, dict)
    assert (asked["factor"], asked["strength"], resolved["prompt"]) == (2.5, 0.4, "moss")
    assert (resolved["tile_x"], resolved["tile_y"]) == (False, True)


def test_a_size_may_be_named_instead(session: Session, host: RecordingHost, paper: Document) -> None:
    host.finish(session.upscale(width=800, height=500, upscaler="lanczos"))
    (result,) = host.results
    assert (result.image.width, result.image.height) == (800, 500)


def test_every_host_has_the_verb_and_says_how_much_is_painted_in(
    session: Session, host: RecordingHost, paper: Document
) -> None:
    verb = load_extensions({}).verbs["upscale"]
    for given, strength in (({}, 0.3), ({"strength": 0.0}, 0.0)):
        task = verb.start(session, values_for(verb, prompt="moss", factor=2.0, **given))
        host.finish(task)
        assert task.update is not None
        asked = task.update.resolved["upscale"]
        assert isinstance(asked, dict)
        assert (asked["factor"], asked["strength"]) == (2.0, strength)
