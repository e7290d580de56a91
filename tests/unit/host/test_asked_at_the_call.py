"""A verb means what was there when it was called, however late the daemon comes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.support.recording import RecordingHost
from tests.unit.host.conftest import HOLE
from underpaint.client import connect
from underpaint.errors import DaemonUnreachable, NoDocument, PlaceGone, UnderpaintError
from underpaint.host import Session, Settings, Task, TaskState
from underpaint.host.snapshot import ANY_MODEL
from underpaint.testing.fake_daemon import FAKE_MODEL, FakeDaemon
from underpaint.testing.reference import Document, PaintLayer, Selection
from underpaint.types import Bounds, GenerateRequest, JobOrigin, ModelInfo, ModelList


class LateDaemon:
    """A connection that stands no sooner than `come` is called; remembers what was sent."""

    def __init__(self) -> None:
        self.asked, self._there = threading.Event(), threading.Event()
        self.sent: list[tuple[GenerateRequest, JobOrigin]] = []
        self.problem: UnderpaintError | None = None

    def connect(self) -> Any:
        self.asked.set()
        assert self._there.wait(30)
        if self.problem is not None:
            raise self.problem
        client, sent = connect(start=False, reconnect_for=0.1), self.sent

        class Noting:
            def __getattr__(self, name: str) -> Any:
                return getattr(client, name)

            def submit(self, request: GenerateRequest, *, origin: JobOrigin, request_id: str) -> Any:
                sent.append((request, origin))
                return client.submit(request, origin=origin, request_id=request_id)

        return Noting()

    def come(self) -> None:
        self._there.set()


@pytest.fixture
def late(daemon: FakeDaemon) -> Iterator[LateDaemon]:
    made = LateDaemon()
    yield made
    made.come()


@pytest.fixture
def session(host: RecordingHost, late: LateDaemon) -> Iterator[Session]:
    made = Session(host, late.connect, client="paper-test")
    yield made
    made.close()


def fill(session: Session) -> Task:
    return session.fill("moss", Settings(seed=3))


def from_words(session: Session) -> Task:
    return session.generate("moss", Settings(seed=3))


def from_picture(session: Session) -> Task:
    return session.generate("moss", Settings(seed=3, strength=0.5), from_picture=True)


def from_layer(session: Session) -> Task:
    return session.generate("moss", Settings(seed=3, strength=0.5), source_layer="ground")


def switched(host: RecordingHost) -> None:
    """Another document, of another size, with another selection."""
    host.new("other.kra", 200, 180).select(Selection.rectangle(Bounds(5, 5, 60, 60)))


def cropped(host: RecordingHost) -> None:
    host.documents["barn.kra"].crop(Bounds(100, 100, 150, 120))


def painted(host: RecordingHost) -> None:
    def black(node: Any) -> Any:
        return replace(node, samples=np.zeros_like(node.samples))

    host.documents["barn.kra"].change("ground", black)


def selected_elsewhere(host: RecordingHost) -> None:
    host.documents["barn.kra"].select(Selection.rectangle(Bounds(10, 10, 90, 90)))


def deselected(host: RecordingHost) -> None:
    host.documents["barn.kra"].select(None)


def layer_added(host: RecordingHost) -> None:
    """And made the active one: the result goes where the old one was."""
    layer = PaintLayer(name="glaze", samples=np.full((300, 400, 4), 200, np.uint8), layer_id="glaze")
    document = host.documents["barn.kra"]
    document.add(layer)
    document.active = "glaze"


def layer_deleted(host: RecordingHost) -> None:
    host.documents["barn.kra"].remove("ground")


CHANGES = [switched, cropped, painted, selected_elsewhere, deselected, layer_added, layer_deleted]
VERBS = [fill, from_words, from_picture, from_layer]


def meant(sent: tuple[GenerateRequest, JobOrigin]) -> tuple[Any, ...]:
    """A request so that two of them can be compared: what was asked, the pixels, the place."""
    request, origin = sent
    images = [one and (one.bounds, one.format, bytes(one.data)) for one in (request.image, request.mask)]
    return replace(request, image=None, mask=None), images, origin


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("verb", VERBS)
def test_what_happens_while_the_daemon_starts_changes_nothing_of_what_was_asked(
    verb: Callable[[Session], Task],
    change: Callable[[RecordingHost], None],
    session: Session,
    host: RecordingHost,
    paper: Document,
    late: LateDaemon,
) -> None:
    paper.active = "ground"
    task = verb(session)
    host.pump_until(late.asked.is_set, "the connection", 30)
    change(host)
    late.come()
    host.finish(task)
    # And once more, with nobody in the way.
    paper.state, paper.active, host.active = paper.undo_steps[0].state, "ground", "barn.kra"
    paper.select(Selection.rectangle(HOLE))
    host.finish(verb(session))
    first, second = map(meant, late.sent)
    assert first == second
    assert task.state is TaskState.PLACED
    assert host.results[0].document_id == "barn.kra"


def test_a_result_whose_document_was_closed_before_the_daemon_was_there_is_kept(
    session: Session, host: RecordingHost, paper: Document, late: LateDaemon
) -> None:
    other = host.new("other.kra", 200, 180)
    host.active = "barn.kra"
    task = fill(session)
    host.pump_until(late.asked.is_set, "the connection", 30)
    host.close("barn.kra")
    late.come()
    host.finish(task)
    assert (task.state, type(task.error)) == (TaskState.KEPT, PlaceGone)
    assert late.sent[0][1].document_id == "barn.kra"
    assert len(other.layers) == 1


def test_a_refusal_is_about_the_call_and_needs_no_daemon(
    session: Session, host: RecordingHost, late: LateDaemon
) -> None:
    task = session.fill("moss")
    host.new("opened-too-late.kra", 64, 64).select(Selection.rectangle(Bounds(4, 4, 20, 20)))
    host.finish(task)
    assert isinstance(task.error, NoDocument)
    assert not late.asked.is_set()


def test_a_task_is_never_final_before_its_call_has_returned(
    session: Session, host: RecordingHost, late: LateDaemon
) -> None:
    done: list[Task] = []
    task = session.fill("moss", on_done=done.append)
    assert (task.state, task.done, done) == (TaskState.PREPARING, False, [])
    host.finish(task)
    assert done == [task]


def test_the_reading_is_over_when_the_call_returns(
    session: Session, host: RecordingHost, paper: Document, late: LateDaemon
) -> None:
    task = fill(session)
    read = list(host.reads)
    assert len(read) == 2
    assert session.meter.longest_what == "reading the document for 'moss'"
    late.come()
    host.finish(task)
    assert host.reads == read


def test_without_a_daemon_the_document_is_read_and_nothing_else_happens(
    session: Session, host: RecordingHost, paper: Document, late: LateDaemon
) -> None:
    late.problem = DaemonUnreachable("The daemon did not start: run underpaint doctor.")
    task = fill(session)
    late.come()
    host.finish(task)
    assert task.error is late.problem
    assert len(paper.layers) == 1


# How much is read


def known(session: Session, host: RecordingHost, late: LateDaemon) -> None:
    """The panel has asked for the models, as it does when it is shown."""
    told: list[ModelList | UnderpaintError] = []
    session.models(told.append)
    late.come()
    host.pump_until(lambda: told, "the models", 30)


def test_with_a_model_that_is_known_exactly_its_context_is_read(
    session: Session, host: RecordingHost, paper: Document, late: LateDaemon
) -> None:
    known(session, host, late)
    host.finish(fill(session))
    ((request, _),) = late.sent
    assert request.image is not None and request.mask is not None
    assert host.reads == [request.image.bounds, request.mask.bounds]
    assert request.image.width <= 2 * FAKE_MODEL.native_size


def test_with_an_unknown_model_more_is_read_and_the_same_is_sent(
    session: Session, host: RecordingHost, late: LateDaemon
) -> None:
    wide = host.new("wide.kra", 3000, 1400)
    wide.select(Selection.rectangle(Bounds(1700, 700, 40, 30)))
    late.come()
    host.finish(fill(session))
    wide.undo()
    host.finish(fill(session))
    guess, _, exact, _ = host.reads
    assert guess.contains(exact) and exact.width < guess.width
    assert max(guess.width, guess.height) <= ANY_MODEL.native_size + ANY_MODEL.size_multiple
    first, second = map(meant, late.sent)
    assert first == second
    assert first[1][0][0] == exact


@pytest.mark.parametrize("native", [512, 768, 1024, 2048])
def test_a_model_that_looks_at_more_than_was_read_gets_what_was_read(
    native: int, host: RecordingHost, folder: Any
) -> None:
    model: ModelInfo = replace(FAKE_MODEL, native_size=native)
    late = LateDaemon()
    late.come()
    with FakeDaemon(folder, models=(model,)):
        session = Session(host, late.connect, client="paper-test")
        host.new("wide.kra", 3000, 2200).select(Selection.rectangle(Bounds(1700, 900, 40, 30)))
        task = fill(session)
        host.finish(task)
        session.close()
    ((request, _),) = late.sent
    assert task.state is TaskState.PLACED
    assert request.image is not None and request.mask is not None
    assert request.image.bounds == request.mask.bounds
    assert request.image.bounds.contains(Bounds(1700, 900, 40, 30))
    assert request.image.width == min(native, 1024)
