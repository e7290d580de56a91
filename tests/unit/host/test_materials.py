"""The maps of a material as layers, or as pictures of their own where a host has no layers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.support.recording import RecordingHost
from underpaint.client import connect
from underpaint.host import Capability, ResultKind, Session, Settings, TaskState
from underpaint.host.materials import MAPS
from underpaint.testing.fake_daemon import FakeDaemon, Script
from underpaint.testing.reference import Document
from underpaint.types import ColorSpace, PixelFormat, Tiling

NAMES = [one.preprocessor for one in MAPS]


@pytest.fixture
def session(host: RecordingHost, daemon: FakeDaemon) -> Iterator[Session]:
    made = Session(host, lambda: connect(start=False, reconnect_for=0.1))
    yield made
    made.close()


def test_each_map_becomes_a_layer_above_the_layer_that_was_active(
    session: Session, host: RecordingHost, paper: Document, daemon: FakeDaemon
) -> None:
    task = session.maps(Settings(tiling=Tiling.X), parameters={"relief": 12.0, "base": 0.3})
    host.finish(task)
    assert (task.state, task.error) == (TaskState.PLACED, None)
    assert host.reads == [paper.canvas], "the picture is read once"
    assert [result.name for result in host.results] == ["Height", "Normal", "Roughness", "Ambient occlusion"]
    assert {(result.kind, result.document_id) for result in host.results} == {(ResultKind.LAYER, "barn.kra")}
    assert len(paper.undo_steps) == 1 + 4, "each map is one step, after that of the selection"
    assert daemon.jobs.records == {}, "what is placed leaves the daemon's list"


def test_each_preprocessor_gets_what_it_knows_and_which_edges_meet(
    session: Session, host: RecordingHost, paper: Document, daemon: FakeDaemon
) -> None:
    daemon.script = Script(steps=3, hang_at_step=2)
    task = session.maps(Settings(tiling=Tiling.X), parameters={"relief": 12.0, "base": 0.3, "invert": 1.0})
    host.pump_until(lambda: len(daemon.jobs.records) == len(MAPS), "the jobs")
    specs = [record.job.spec for record in list(daemon.jobs.records.values())]
    assert [spec.preprocess.preprocessor for spec in specs] == NAMES
    assert [dict(spec.preprocess.parameters) for spec in specs] == [
        {"invert": 1.0},
        {"invert": 1.0, "relief": 12.0},
        {"invert": 1.0, "relief": 12.0, "base": 0.3},
        {"invert": 1.0, "relief": 12.0},
    ]
    assert {(spec.tile_x, spec.tile_y) for spec in specs} == {(True, False)}
    task.cancel()
    host.finish(task)
    assert task.state is TaskState.CANCELLED
    assert host.results == []


def test_a_host_without_layers_gets_pictures_of_their_own(
    session: Session, host: RecordingHost, paper: Document
) -> None:
    host.capabilities = host.capabilities - {Capability.LAYERS}
    data = replace(PixelFormat(), color_space=ColorSpace.DATA)
    host.finish(session.maps(formats={"normal-map": data}))
    assert [result.name for result in host.results] == [f"{one.title} of barn.kra" for one in MAPS]
    assert {(result.kind, result.document_id) for result in host.results} == {(ResultKind.TEXTURE, "")}
    spaces = [result.image.format.color_space for result in host.results]
    assert spaces.count(ColorSpace.DATA) == 1 and spaces[1] is ColorSpace.DATA


def test_maps_come_together_in_one_call_so_that_a_host_can_make_them_one_step(
    session: Session, host: RecordingHost, paper: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, list[str]]] = []
    monkeypatch.setattr(
        host,
        "write_results",
        lambda results, title: calls.append((title, [result.name for result in results])),
    )
    host.finish(session.maps())
    assert calls == [("Material maps", [one.title for one in MAPS])]
