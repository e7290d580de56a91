"""examples/03_ora_watcher.py: conformant, and a folder of OpenRaster files gets its layers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import underpaint
from tests.examples.loading import EXAMPLES, load
from tests.examples.ora_rig import OraRig
from underpaint.errors import OutOfMemory
from underpaint.testing.conformance import conformance_tests
from underpaint.testing.fake_daemon import FakeDaemon, Script
from underpaint.testing.reference import Document, PaintLayer, read_document, write_document

TestConformance = conformance_tests(OraRig)


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDaemon]:
    with FakeDaemon(tmp_path / "run") as running:
        monkeypatch.setenv("UNDERPAINT_RUNTIME_DIR", str(running.folder))
        monkeypatch.setenv("UNDERPAINT_CONFIG_DIR", str(tmp_path / "config"))
        running.script = Script(drawing=True)
        yield running


@pytest.fixture
def watcher(daemon: FakeDaemon) -> Iterator[Any]:
    watcher = load("03_ora_watcher").OraWatcher(lambda: underpaint.connect(start=False))
    yield watcher
    watcher.session.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pictures").mkdir()
    return tmp_path / "pictures"


def _farm(path: Path, *names: str) -> None:
    """A grey ground below layers of these names, each 20x16 at another place."""
    layers = [PaintLayer(name="Ground", samples=np.full((120, 160, 4), (90, 90, 90, 255), np.uint8))]
    for number, name in enumerate(names):
        patch = np.full((16, 20, 4), (255, 0, 255, 255), np.uint8)
        layers.insert(0, PaintLayer(name=name, samples=patch, x=30 + 70 * number, y=40))
    write_document(Document(160, 120, layers=tuple(layers)), path)


def _layers(path: Path) -> list[tuple[str, bool]]:
    return [(layer.name, layer.visible) for layer in read_document(path).layers]


def test_a_layer_that_asks_gets_its_result_above_it_and_is_hidden(watcher: Any, folder: Path) -> None:
    _farm(folder / "farm.ora", "fill: a red barn")
    assert watcher.look(folder) == [folder / "farm.ora"]
    assert _layers(folder / "farm.ora") == [
        ("a red barn", True),
        ("filled: a red barn", False),
        ("Ground", True),
    ]
    result = read_document(folder / "farm.ora").layers[0]
    assert isinstance(result, PaintLayer)
    alpha = result.samples[..., 3]
    inside = (slice(40 - result.y, 56 - result.y), slice(30 - result.x, 50 - result.x))
    assert alpha[inside].min() == 255 and alpha.sum() == alpha[inside].sum()


def test_two_wishes_in_one_file_are_both_met(watcher: Any, folder: Path) -> None:
    _farm(folder / "farm.ora", "fill: barn", "fill: 森")
    watcher.look(folder)
    names = [name for name, _ in _layers(folder / "farm.ora")]
    assert names == ["森", "filled: 森", "barn", "filled: barn", "Ground"]


def test_a_file_is_looked_at_again_only_when_it_changed(
    watcher: Any, folder: Path, daemon: FakeDaemon
) -> None:
    _farm(folder / "plain.ora", "Sketch")
    _farm(folder / "farm.ora", "fill: barn")
    assert watcher.look(folder) == [folder / "farm.ora"]
    asked = daemon.calls.count("SubmitJob")
    assert asked == 1 and watcher.look(folder) == []
    _farm(folder / "plain.ora", "fill: hay")
    assert watcher.look(folder) == [folder / "plain.ora"]
    assert daemon.calls.count("SubmitJob") == 2


def test_a_job_that_fails_leaves_the_file_as_it_was(watcher: Any, folder: Path, daemon: FakeDaemon) -> None:
    _farm(folder / "farm.ora", "fill: barn")
    before = (folder / "farm.ora").read_bytes()
    daemon.script = Script(error=OutOfMemory("Choose a smaller size."))
    assert watcher.look(folder) == []
    assert (folder / "farm.ora").read_bytes() == before
    assert "Choose a smaller size." in [notice.text for notice in watcher.notices]


def test_a_damaged_file_is_named_and_the_others_are_done(watcher: Any, folder: Path) -> None:
    (folder / "broken.ora").write_bytes(b"no archive")
    _farm(folder / "farm.ora", "fill: barn")
    assert watcher.look(folder) == [folder / "farm.ora"]
    assert any("broken.ora" in notice.text for notice in watcher.notices)
    assert watcher.documents == {}


def test_the_example_is_short() -> None:
    assert len((EXAMPLES / "03_ora_watcher.py").read_text("utf-8").splitlines()) <= 150
