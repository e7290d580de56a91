"""Layers as conditioning: parts of a document attached to verbs, in the reference host."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.recording import RecordingHost
from underpaint.client import connect
from underpaint.errors import InvalidRequest, PlaceGone
from underpaint.host import AttachedControl, AttachedMask, Session, Settings, Task, TaskState
from underpaint.host.extensions import Extensions
from underpaint.testing.fake_daemon import FakeDaemon
from underpaint.testing.fake_script import Script
from underpaint.testing.reference import Document, PaintLayer, Selection
from underpaint.types import Bounds
from underpaint.v1 import job_service_pb2

HOLE = Bounds(210, 135, 13, 9)


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDaemon]:
    runtime = Path(tempfile.mkdtemp(prefix="up-"))
    monkeypatch.setenv("UNDERPAINT_RUNTIME_DIR", str(runtime))
    for kind in ("STATE", "CONFIG"):
        monkeypatch.setenv(f"UNDERPAINT_{kind}_DIR", str(tmp_path / kind.lower()))
    with FakeDaemon(runtime) as running:
        yield running
    shutil.rmtree(runtime)


@pytest.fixture
def specs(daemon: FakeDaemon) -> list[job_service_pb2.JobSpec]:
    """What reached the daemon."""
    found: list[job_service_pb2.JobSpec] = []

    def noted(spec: job_service_pb2.JobSpec) -> Script:
        found.append(spec)
        return Script()

    daemon.script = noted
    return found


@pytest.fixture
def host() -> RecordingHost:
    """A gradient of 300 x 200 under a hidden sketch, with a small selection."""
    host = RecordingHost()
    y, x = np.mgrid[0:200, 0:300]
    ground = np.stack([x % 256, y, x * 0, x * 0 + 255], axis=2).astype(np.uint8)
    sketch = np.zeros((200, 300, 4), np.uint8)
    sketch[::10] = 255
    layers = (
        PaintLayer(name="Sketch", samples=sketch, visible=False),
        PaintLayer(name="Ground", samples=ground),
    )
    document = host.open(Document(300, 200, layers=layers))
    coverage = np.full((HOLE.height, HOLE.width), 255, np.uint8)
    document.select(Selection(HOLE.x, HOLE.y, coverage))
    return host


@pytest.fixture
def session(host: RecordingHost, daemon: FakeDaemon) -> Iterator[Session]:
    session = Session(host, lambda: connect(start=False))
    yield session
    session.close()


def finish(host: RecordingHost, task: Task) -> Task:
    host.queue.pump_until(lambda: task.done, timeout=30)
    return task


def sketch_of(host: RecordingHost, **fields: Any) -> AttachedControl:
    source = Extensions(()).control_sources["layer"]
    assert source.choices is not None
    document = host.active_document.document_id
    (choice,) = (key for key, title in source.choices(host, document).items() if title == "Sketch")
    return AttachedControl(source=source, role="line-art", choice=choice, **fields)


def test_a_layer_guides_a_fill_where_the_fill_looks(
    host: RecordingHost, session: Session, specs: list[job_service_pb2.JobSpec]
) -> None:
    settings = Settings(controls=(sketch_of(host, strength=0.5, end=0.7, preprocessor="line-art"),))
    task = finish(host, session.fill("a door", settings))
    assert task.state is TaskState.PLACED, task.error
    (spec,) = specs
    (control,) = spec.controls
    assert (control.role, control.strength, control.end, control.preprocessor) == (
        "line-art",
        0.5,
        0.7,
        "line-art",
    )
    assert (control.image.x_px, control.image.y_px) == (spec.inpaint.image.x_px, spec.inpaint.image.y_px)
    assert control.image.blob != spec.inpaint.image.blob


@pytest.mark.parametrize("operation", ["words", "picture", "texture"])
def test_every_verb_takes_controls(
    host: RecordingHost, session: Session, specs: list[job_service_pb2.JobSpec], operation: str
) -> None:
    merged = AttachedControl(source=Extensions(()).control_sources["merged"], role="depth")
    settings = Settings(controls=(merged, sketch_of(host)))
    if operation == "texture":
        # A texture belongs to no document: a source of its own reads from elsewhere.
        from types import SimpleNamespace

        def read(adapter: Any, document_id: str, bounds: Bounds, choice: str) -> Any:
            assert document_id == ""
            return host.read_merged(host.active_document.document_id, bounds)

        source: Any = SimpleNamespace(name="elsewhere", read=read)
        settings = Settings(controls=(AttachedControl(source=source, role="depth"),))
        task = session.texture("moss", settings, width=64, height=64)
    else:
        task = session.generate("moss", settings, from_picture=operation == "picture")
    assert finish(host, task).state is TaskState.PLACED, task.error
    (spec,) = specs
    assert [control.role for control in spec.controls] == ["depth", "line-art"][: len(spec.controls)]
    assert len(spec.controls) == len(settings.controls)
    assert {(one.image.x_px, one.image.y_px) for one in spec.controls} == {(0, 0)}


def test_a_part_of_a_document_is_read_once_for_two_roles(
    host: RecordingHost, session: Session, specs: list[job_service_pb2.JobSpec]
) -> None:
    one = sketch_of(host)
    two = AttachedControl(source=one.source, role="depth", choice=one.choice)
    finish(host, session.fill("a door", Settings(controls=(one, two))))
    first, second = specs[0].controls
    assert first.image == second.image


@pytest.mark.parametrize("verb", ["fill", "upscale"])
def test_what_a_layer_covers_is_where_a_control_counts(
    host: RecordingHost, session: Session, daemon: FakeDaemon, verb: str
) -> None:
    masks: list[tuple[int, int, np.ndarray]] = []

    def noted(spec: job_service_pb2.JobSpec) -> Script:
        mask = spec.controls[0].mask
        blob = daemon.blobs.sealed(mask.blob)
        shape = blob.layout.height_px, blob.layout.width_px
        pixels = np.frombuffer(blob.path.read_bytes(), np.uint8).reshape(shape).copy()
        masks.append((mask.x_px, mask.y_px, pixels))
        return Script()

    daemon.script = noted
    sketch = sketch_of(host)
    masked = AttachedControl(
        source=Extensions(()).control_sources["merged"],
        role="depth",
        mask=AttachedMask(sketch.source, sketch.choice),
    )
    settings = Settings(controls=(masked,))
    task = session.fill("a door", settings) if verb == "fill" else session.upscale("a door", settings)
    finish(host, task)
    ((x, y, mask),) = masks
    expected = np.zeros((200, 300), np.uint8)
    expected[::10] = 255
    np.testing.assert_array_equal(mask, expected[y : y + mask.shape[0], x : x + mask.shape[1]])
    assert mask.any() and not mask.all()


def test_an_image_that_is_read_as_a_picture_and_as_a_mask_is_read_twice(
    host: RecordingHost, session: Session, specs: list[job_service_pb2.JobSpec]
) -> None:
    sketch = sketch_of(host)
    selection = Extensions(()).control_sources["selection"]

    asked: list[str] = []

    def covered(adapter: Any, document_id: str, bounds: Bounds, choice: str) -> Any:
        asked.append(choice)
        return selection.read(adapter, document_id, bounds, "")

    # Of the same name, as in Blender: its images are control images in colour, and masks by what they cover.
    mask = AttachedMask(replace(sketch.source, read=covered), sketch.choice)
    finish(host, session.fill("a door", Settings(controls=(replace(sketch, mask=mask),))))
    (control,) = specs[0].controls
    assert asked == [sketch.choice] and control.mask.blob


def test_a_layer_that_is_gone_fails_the_task_before_anything_is_sent(
    host: RecordingHost, session: Session, specs: list[job_service_pb2.JobSpec]
) -> None:
    source = Extensions(()).control_sources["layer"]
    lost = AttachedControl(source=source, role="line-art", choice="no-such-layer")
    task = finish(host, session.fill("a door", Settings(controls=(lost,))))
    assert isinstance(task.error, PlaceGone) and specs == []


def test_a_role_that_the_model_does_not_take_is_said(host: RecordingHost, session: Session) -> None:
    wrong = AttachedControl(source=Extensions(()).control_sources["merged"], role="pose")
    task = finish(host, session.fill("a door", Settings(controls=(wrong,))))
    assert task.state is TaskState.FAILED
    assert isinstance(task.error, InvalidRequest)
    assert task.error.violations[0].field == "spec.controls[0].role"
