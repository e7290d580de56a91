"""The verbs, over the real wire and a daemon without a model, in a host that lives in memory."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.recording import RecordingHost
from tests.unit.host.conftest import HOLE
from underpaint.client import Client, connect
from underpaint.errors import (
    DaemonUnreachable,
    InternalError,
    JobCancelled,
    ModelNotFound,
    NoDocument,
    NothingSelected,
    OutOfMemory,
    PlaceGone,
    ShuttingDown,
    UnderpaintError,
)
from underpaint.host import Capability, ResultKind, Session, Settings, Task, TaskState
from underpaint.testing.fake_daemon import FAKE_MODEL, FakeDaemon, Script
from underpaint.testing.fake_pictures import color_of
from underpaint.testing.reference import Document, PaintLayer, Selection
from underpaint.testing.reference.merge import merged, own_pixels
from underpaint.testing.reference.samples import Samples
from underpaint.types import Bounds, DataType, JobState, ModelList, Tiling
from underpaint.v1 import job_service_pb2
from underpaint.wire.jobs import state_from

HANGING = Script(steps=3, hang_at_step=2)


@pytest.fixture
def session(host: RecordingHost, daemon: FakeDaemon) -> Iterator[Session]:
    """A session whose client gives up soon, so that the session's own patience is what is seen."""
    made = Session(host, lambda: connect(start=False, reconnect_for=0.1))
    yield made
    made.close()
    deadline = time.monotonic() + 60
    while alive := [t.name for t in threading.enumerate() if t.name.startswith("underpaint-task")]:
        assert time.monotonic() < deadline, f"still running after close: {alive}"
        time.sleep(0.01)


def seen(document: Document) -> Samples:
    return merged(document.layers, document.canvas, DataType.U8)


def samples(document: Document) -> list[Samples]:
    return [layer.samples for layer in document.layers if isinstance(layer, PaintLayer)]


def records(daemon: FakeDaemon) -> list[job_service_pb2.Job]:
    # A list first: the daemon goes on meanwhile, on a thread of its own.
    return [record.job for record in list(daemon.jobs.records.values())]


def running(host: RecordingHost, *tasks: Task) -> None:
    """Until the tasks' jobs denoise (or wait behind another)."""
    host.pump_until(lambda: all(task.job_name and task.update for task in tasks), "the job")


def in_step(host: RecordingHost, task: Task) -> None:
    """Until the task has heard of its job's first step."""
    running(host, task)
    host.pump_until(lambda: task.update and task.update.progress.step >= 1, "the step")


# What is read, and where the result goes


def test_a_fill_reads_the_context_only_and_lays_the_result_over_it(
    session: Session, host: RecordingHost, paper: Document, daemon: FakeDaemon
) -> None:
    told: list[object] = []
    session.models(told.append)
    host.pump_until(lambda: told, "the models")
    before = seen(paper)
    task = session.fill("a red  barn", Settings(seed=5))
    assert task.state is TaskState.PREPARING
    host.finish(task)
    assert (task.state, task.error) == (TaskState.PLACED, None)
    context, again = host.reads
    assert context == again
    assert context.contains(HOLE)
    assert context.width * context.height <= 2 * FAKE_MODEL.native_size**2, "far less than the canvas"
    (result,) = host.results
    assert (result.image.bounds, result.kind, result.name) == (context, ResultKind.LAYER, "a red barn")
    assert (result.document_id, result.host_context) == ("barn.kra", host.host_context("barn.kra"))
    changed = (seen(paper) != before).any(axis=2)
    selected = paper.selection is not None and paper.selection.within(paper.canvas) > 0
    assert np.array_equal(changed, selected)


def test_a_soft_selection_gives_a_soft_layer(session: Session, host: RecordingHost, paper: Document) -> None:
    paper.select(Selection.rectangle(HOLE, 100))
    host.finish(session.fill("moss"))
    layer = own_pixels(paper.layers[0], HOLE, DataType.U8)
    assert set(np.unique(layer[..., 3])) == {100}


def test_seed_and_prompt_decide_the_picture_that_is_placed(
    session: Session, host: RecordingHost, paper: Document
) -> None:
    for seed in (5, 5, 6):
        host.finish(session.fill("moss", Settings(seed=seed, model="fake", steps=4)))
    first, same, other = samples(paper)[:3]
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)
    spec = job_service_pb2.JobSpec(model="fake", prompt="moss", seed=5, steps=4)
    assert tuple(own_pixels(paper.layers[0], HOLE, DataType.U8)[0, 0, :3]) == color_of(spec)


def test_generate_from_words_covers_the_canvas(session: Session, host: RecordingHost) -> None:
    paper = host.new("sky.kra", 100, 70)
    host.finish(session.generate("sky"))
    (result,) = host.results
    assert result.image.bounds.contains(paper.canvas)
    assert (result.image.width, result.image.height) == (104, 72)
    assert host.reads == []
    assert (seen(paper)[..., 3] == 255).all()


@pytest.mark.parametrize("layer", [None, "ground"], ids=["the picture", "a layer"])
def test_generate_from_pixels_sends_the_canvas_with_its_strength(
    session: Session, host: RecordingHost, daemon: FakeDaemon, layer: str | None
) -> None:
    host.new("sky.kra", 64, 48)
    daemon.script = HANGING
    task = session.generate("sky", Settings(strength=0.25), source_layer=layer, from_picture=layer is None)
    running(host, task)
    (job,) = records(daemon)
    assert job.spec.image_to_image.strength == pytest.approx(0.25)
    assert host.reads == [Bounds(0, 0, 64, 48)]
    daemon.go_on()
    host.finish(task)
    assert host.results[0].image.bounds == Bounds(0, 0, 64, 48)


def test_a_texture_needs_no_document(session: Session, host: RecordingHost, daemon: FakeDaemon) -> None:
    daemon.script = HANGING
    task = session.texture("bricks", Settings(tiling=Tiling.XY), width=96, height=32)
    running(host, task)
    (job,) = records(daemon)
    assert (job.spec.tile_x, job.spec.tile_y) == (True, True)
    daemon.go_on()
    host.finish(task)
    assert host.active_document.canvas == Bounds(0, 0, 96, 32)


# What keeps a verb from starting


def test_nothing_selected_says_what_to_do_and_sends_nothing(
    session: Session, host: RecordingHost, paper: Document, daemon: FakeDaemon
) -> None:
    paper.select(None)
    task = session.fill("moss")
    host.finish(task)
    assert task.state is TaskState.FAILED
    assert isinstance(task.error, NothingSelected)
    assert [notice.problem for notice in host.notices] == [True]
    assert "select" in host.notices[0].text
    assert records(daemon) == []
    assert host.reads == []


def test_without_a_document_the_host_says_so(session: Session, host: RecordingHost) -> None:
    task = session.fill("moss")
    host.finish(task)
    assert isinstance(task.error, NoDocument)
    assert [notice.text for notice in host.notices] == [task.error.message]


@pytest.mark.parametrize("models", [(), (FAKE_MODEL,)], ids=["none installed", "another name"])
def test_an_unknown_model_is_named_with_the_way_out(
    folder: Path, host: RecordingHost, paper: Document, models: tuple[()]
) -> None:
    with FakeDaemon(folder, models=models):
        session = Session(host, lambda: connect(start=False))
        task = session.fill("moss", Settings(model="nobody" if models else ""))
        host.finish(task)
        session.close()
    assert isinstance(task.error, ModelNotFound)
    assert ("fake" if models else "underpaint models list") in host.notices[0].text


def test_without_a_daemon_the_task_fails_with_the_connections_message(
    folder: Path, host: RecordingHost, paper: Document
) -> None:
    session = Session(host, lambda: connect(start=False))
    task = session.fill("moss")
    host.finish(task)
    session.close()
    assert isinstance(task.error, DaemonUnreachable)
    assert "underpaint serve" in host.notices[0].text


# Cancelling


def test_cancelled_before_it_was_sent_no_job_comes_to_be(
    host: RecordingHost, paper: Document, daemon: FakeDaemon
) -> None:
    there = threading.Event()

    def late() -> Client:
        there.wait(120)
        return connect(start=False)

    session = Session(host, late, client="paper-1")
    task = session.fill("moss")
    task.cancel()
    there.set()
    host.finish(task)
    session.close()
    assert task.state is TaskState.CANCELLED
    assert isinstance(task.error, JobCancelled)
    assert records(daemon) == []
    assert host.notices == []


def test_cancelled_while_it_is_being_sent_the_job_ends_too(
    session: Session, host: RecordingHost, paper: Document, daemon: FakeDaemon
) -> None:
    daemon.delays["SubmitJob"] = 0.2
    daemon.script = HANGING
    task = session.fill("moss")
    host.pump_until(lambda: "SubmitJob" in daemon.calls, "the submission")
    task.cancel()
    host.finish(task)
    assert (task.state, task.error and task.error.message) == (TaskState.CANCELLED, "The job was cancelled.")
    assert [state_from(job.state) for job in records(daemon)] == [JobState.CANCELLED]


def test_cancelled_while_it_runs_nothing_is_placed(
    session: Session, host: RecordingHost, paper: Document, daemon: FakeDaemon
) -> None:
    daemon.script = HANGING
    task = session.fill("moss")
    in_step(host, task)
    task.cancel()
    task.cancel()
    host.finish(task)
    assert (task.state, task.error and task.error.message) == (TaskState.CANCELLED, "The job was cancelled.")
    assert len(paper.layers) == 1
    assert host.notices == []


def test_cancelling_what_is_placed_already_changes_nothing(
    session: Session, host: RecordingHost, paper: Document
) -> None:
    task = session.fill("moss")
    host.finish(task)
    task.cancel()
    host.idle(0.2)
    assert (task.state, len(paper.layers), host.notices) == (TaskState.PLACED, 2, [])


def test_cancelling_without_a_daemon_ends_the_task_and_breaks_no_thread(
    session: Session, host: RecordingHost, paper: Document, daemon: FakeDaemon
) -> None:
    daemon.script = HANGING
    task = session.fill("moss")
    in_step(host, task)
    daemon.stop()
    host.pump_until(lambda: host.notices, "the message")
    task.cancel()
    host.finish(task)
    assert task.state in (TaskState.FAILED, TaskState.CANCELLED)
    assert task.job_name in host.notices[-1].text


# What goes wrong later


def test_a_jobs_error_reaches_the_user_in_its_own_words(
    session: Session, host: RecordingHost, paper: Document, daemon: FakeDaemon
) -> None:
    said = "The picture does not fit into memory: choose a smaller size."
    daemon.script = Script(error=OutOfMemory(said))
    task = session.fill("moss")
    host.finish(task)
    assert task.state is TaskState.FAILED
    assert isinstance(task.error, OutOfMemory)
    assert [(notice.text, notice.problem) for notice in host.notices] == [(said, True)]
    assert len(paper.layers) == 1


def test_notes_of_a_job_reach_the_user(
    session: Session, host: RecordingHost, paper: Document, daemon: FakeDaemon
) -> None:
    daemon.script = Script(notes=("Words after the 77th were not read.",))
    host.finish(session.fill("moss"))
    assert [(notice.text, notice.problem) for notice in host.notices] == [
        ("Words after the 77th were not read.", False)
    ]


def test_a_result_whose_document_was_closed_is_kept_and_placed_when_it_is_open_again(
    session: Session, host: RecordingHost, paper: Document, daemon: FakeDaemon
) -> None:
    daemon.script = HANGING
    task = session.fill("moss", Settings(seed=3))
    in_step(host, task)
    host.close("barn.kra")
    daemon.go_on()
    host.finish(task)
    assert task.state is TaskState.KEPT
    assert isinstance(task.error, PlaceGone)
    assert host.notices[-1].problem
    assert task.job_name in host.notices[-1].text
    assert [job.name for job in records(daemon)] == [task.job_name]

    host.documents["barn.kra"] = paper
    found: list[int | UnderpaintError] = []
    done: list[Task] = []
    later = Session(host, lambda: connect(start=False), client=session.client_id)
    later.resume("barn.kra", on_found=found.append, on_done=done.append)
    host.pump_until(lambda: done, "the placing")
    assert found == [1]
    assert done[0].state is TaskState.PLACED
    assert len(paper.layers) == 2
    assert host.results[-1].image.bounds.contains(HOLE)
    host.pump_until(lambda: not records(daemon), "the deletion")
    later.close()


def test_resuming_finds_only_jobs_of_this_document_and_none_that_failed(
    session: Session, host: RecordingHost, paper: Document, daemon: FakeDaemon
) -> None:
    daemon.script = Script(error=OutOfMemory("Too large: choose a smaller size."))
    host.finish(session.fill("moss"))
    found: list[int | UnderpaintError] = []
    for document in ("barn.kra", "other.kra"):
        session.resume(document, on_found=found.append)
    host.pump_until(lambda: len(found) == 2, "the search")
    assert found == [0, 0]
    daemon.close()
    session.resume("barn.kra", on_found=found.append)
    host.pump_until(lambda: len(found) == 3, "the refusal")
    assert isinstance(found[2], UnderpaintError)


def test_resuming_twice_places_once(
    session: Session, host: RecordingHost, paper: Document, daemon: FakeDaemon
) -> None:
    daemon.script = HANGING
    task = session.fill("moss")
    in_step(host, task)
    found: list[int | UnderpaintError] = []
    session.resume("barn.kra", on_found=found.append)
    host.pump_until(lambda: found, "the search")
    daemon.go_on()
    host.finish(task)
    host.idle(0.1)
    assert (found, len(host.results)) == ([0], 1)


def test_a_bug_in_the_adapter_ends_the_task_and_keeps_the_job(
    session: Session, host: RecordingHost, paper: Document, daemon: FakeDaemon
) -> None:
    host.fault = ZeroDivisionError("division by zero")
    done: list[Task] = []
    task = session.fill("moss", on_done=done.append)
    host.finish(task)
    assert (task.state, done) == (TaskState.FAILED, [task])
    assert isinstance(task.error, InternalError)
    assert "ZeroDivisionError" in host.notices[-1].text
    assert len(records(daemon)) == 1
    host.finish(session.fill("moss"))
    assert len(paper.layers) == 2


def test_a_daemon_that_comes_back_goes_on_with_the_job(
    session: Session, host: RecordingHost, paper: Document, daemon: FakeDaemon
) -> None:
    daemon.script = HANGING
    task = session.fill("moss", Settings(seed=3))
    in_step(host, task)
    name = task.job_name
    daemon.stop()
    host.pump_until(lambda: host.notices, "the message")
    assert "kept" in host.notices[0].text
    assert not host.notices[0].problem
    daemon.script = Script()
    daemon.start()
    host.finish(task)
    assert (task.state, task.job_name, len(paper.layers)) == (TaskState.PLACED, name, 2)


def test_two_tasks_survive_the_loss_of_the_daemon_side_by_side(
    session: Session, host: RecordingHost, paper: Document, daemon: FakeDaemon
) -> None:
    daemon.script = HANGING
    tasks = [session.fill(prompt) for prompt in ("moss", "brick", "straw")]
    running(host, *tasks)
    daemon.stop()
    host.pump_until(lambda: len(host.notices) >= len(tasks), "the messages")
    daemon.script = Script(steps=3, step_seconds=0.05)
    daemon.start()
    host.finish(*tasks)
    assert [(task.state, task.error) for task in tasks] == [(TaskState.PLACED, None)] * 3
    assert sorted(layer.name for layer in paper.layers) == ["brick", "ground", "moss", "straw"]


class LosesAnswers:
    """A connection whose first answer to each of these calls is lost on the way back."""

    def __init__(self, real: Any, *calls: str) -> None:
        self._real = real
        self._calls = set(calls)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        if name not in {"submit", "job", *self._calls}:
            return found

        def call(*given: Any, **named: Any) -> Any:
            answer = found(*given, **named)
            if name in self._calls:
                self._calls.discard(name)
                raise DaemonUnreachable("The daemon went away before it answered.")
            return LosesAnswers(answer, *self._calls) if name in ("submit", "job") else answer

        return call


@pytest.mark.parametrize("call", ["submit", "fetch", "delete"])
def test_an_answer_lost_on_the_way_costs_neither_the_job_nor_a_second_one(
    call: str, host: RecordingHost, paper: Document, daemon: FakeDaemon
) -> None:
    clients = [LosesAnswers(connect(start=False), call), connect(start=False)]
    session = Session(host, lambda: clients.pop(0))
    task = session.fill("moss")
    host.finish(task)
    assert (task.state, task.error) == (TaskState.PLACED, None)
    assert len(paper.layers) == 2
    assert records(daemon) == []
    session.close()


# The rest of a session's life


def test_a_placed_result_ends_its_job_and_frees_its_pixels(
    session: Session, host: RecordingHost, paper: Document, daemon: FakeDaemon
) -> None:
    host.finish(session.fill("moss"))
    assert records(daemon) == []
    host.results.clear()
    host.pump_until(lambda: not daemon.blobs.found, "the release")
    assert list(daemon.pixels.iterdir()) == []


def test_models_come_on_the_main_thread_and_so_does_the_reason_why_not(
    session: Session, host: RecordingHost, daemon: FakeDaemon
) -> None:
    answers: list[tuple[ModelList | UnderpaintError, threading.Thread]] = []

    def note(found: ModelList | UnderpaintError) -> None:
        answers.append((found, threading.current_thread()))

    session.models(note)
    host.pump_until(lambda: answers, "the models")
    found, thread = answers[0]
    assert isinstance(found, ModelList)
    assert found.get("fake") is not None
    assert thread is threading.current_thread()
    daemon.close()
    session.models(note)
    host.pump_until(lambda: len(answers) == 2, "the reason")
    assert isinstance(answers[1][0], UnderpaintError)


def test_closing_leaves_the_job_in_the_daemon_for_the_next_start(
    session: Session, host: RecordingHost, paper: Document, daemon: FakeDaemon
) -> None:
    daemon.script = HANGING
    task = session.fill("moss")
    in_step(host, task)
    session.close()
    host.finish(task)
    assert (task.state, len(paper.layers)) == (TaskState.FAILED, 1)
    assert not isinstance(task.error, InternalError)
    daemon.go_on()
    host.pump_until(lambda: state_from(records(daemon)[0].state) is JobState.SUCCEEDED, "the job")
    later, done = Session(host, lambda: connect(start=False), client=session.client_id), list[Task]()
    later.resume("barn.kra", on_done=done.append)
    host.pump_until(lambda: done, "the placing")
    assert (done[0].state, len(paper.layers)) == (TaskState.PLACED, 2)
    later.close()


def test_a_verb_after_closing_is_refused(session: Session, host: RecordingHost, paper: Document) -> None:
    session.close()
    task = session.fill("moss")
    host.finish(task)
    assert isinstance(task.error, ShuttingDown)


def test_closing_does_not_wait_for_a_connection_that_is_being_made(
    host: RecordingHost, paper: Document
) -> None:
    """A host that quits must not stand still while a daemon starts."""
    slow, asked = threading.Event(), threading.Event()

    def never() -> Client:
        asked.set()
        slow.wait(120)
        raise DaemonUnreachable("The daemon did not start: run underpaint doctor.")

    session = Session(host, never, client="paper-1")
    task = session.fill("moss")
    host.pump_until(asked.is_set, "the connection")
    start = time.monotonic()
    session.close()
    taken = time.monotonic() - start
    slow.set()
    host.finish(task)
    assert taken < 60


def test_two_tasks_at_once_place_a_picture_each(
    session: Session, host: RecordingHost, paper: Document, daemon: FakeDaemon
) -> None:
    daemon.script = Script(step_seconds=0.01)
    tasks = [session.fill("moss", Settings(seed=1)), session.fill("brick", Settings(seed=2))]
    assert session.tasks == tuple(tasks)
    host.finish(*tasks)
    assert session.tasks == ()
    assert {layer.name for layer in paper.layers[:-1]} == {"moss", "brick"}
    assert len({layer.tobytes() for layer in samples(paper)[:-1]}) == 2


def test_results_go_to_the_document_they_were_made_for(
    session: Session, host: RecordingHost, paper: Document, daemon: FakeDaemon
) -> None:
    daemon.script = HANGING
    task = session.fill("moss")
    in_step(host, task)
    other = host.new("other.kra", 200, 200)
    daemon.go_on()
    host.finish(task)
    assert (len(paper.layers), len(other.layers)) == (2, 1)


def test_progress_and_previews_arrive_and_never_fall_back(
    session: Session,
    host: RecordingHost,
    paper: Document,
    daemon: FakeDaemon,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    daemon.script = Script(steps=8)
    change, seen = daemon.jobs._change, threading.Semaphore(0)

    async def after_the_host_has_seen_it(*given: Any, step: int = 0, **named: Any) -> None:
        await change(*given, step=step, **named)
        while step and not seen.acquire(blocking=False):
            await asyncio.sleep(0.01)

    monkeypatch.setattr(daemon.jobs, "_change", after_the_host_has_seen_it)
    task = session.fill("moss")
    for step in range(1, 9):
        host.pump_until(lambda step=step: len(host.shown) == step, f"the preview of step {step}")  # type: ignore[misc]
        host.pump_until(lambda step=step: task.update.progress.step == step, f"step {step}")  # type: ignore[misc]
        seen.release()
    host.finish(task)
    fractions = [update.progress.fraction for update in host.updates]
    assert len(set(fractions)) > 3
    assert fractions == sorted(fractions)
    assert task.update is not None
    assert task.update.state is JobState.SUCCEEDED
    assert len(host.shown) == 8
    assert set(host.shown) == {("barn.kra", host.results[0].image.bounds)}


def test_no_previews_are_asked_for_where_none_can_be_shown(
    session: Session, host: RecordingHost, paper: Document, daemon: FakeDaemon
) -> None:
    host.capabilities -= {Capability.PREVIEW}
    daemon.script = HANGING
    task = session.fill("moss")
    in_step(host, task)
    daemon.go_on()
    host.finish(task)
    assert task.state is TaskState.PLACED
    assert host.shown == []


def test_the_meter_names_what_held_the_host_longest(
    session: Session, host: RecordingHost, paper: Document
) -> None:
    host.finish(session.fill("moss"))
    assert session.meter.longest_ms > 0
    assert session.meter.longest_what in ("writing the result", "reading the document for 'moss'")
