"""examples/02_pyside_canvas: the adapter passes the conformance suite, and a user's hands find their way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("PySide6", reason="pip install --group examples")

from PySide6.QtCore import QEvent, QPoint, QPointF, QRect, Qt
from PySide6.QtGui import QAction, QImage, QMouseEvent
from PySide6.QtTest import QTest

from tests.examples.loading import EXAMPLES
from tests.examples.pyside_rig import PySideRig
from underpaint.testing.conformance import conformance_tests
from underpaint.testing.fake_daemon import FakeDaemon, Script
from underpaint.types import Bounds

PATIENCE_S = 60.0
TestConformance = conformance_tests(PySideRig)


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDaemon]:
    with FakeDaemon(tmp_path / "run") as running:
        monkeypatch.setenv("UNDERPAINT_RUNTIME_DIR", str(running.folder))
        monkeypatch.setenv("UNDERPAINT_CONFIG_DIR", str(tmp_path / "config"))
        yield running


@pytest.fixture
def rig(daemon: FakeDaemon) -> Iterator[PySideRig]:
    rig = PySideRig()
    rig.window.resize(560, 480)
    rig.window.show()
    yield rig
    rig.finish()


def _opened(rig: PySideRig) -> Any:
    document = rig.module.Document(400, 300, "Wall")
    document.add("Ground", QImage(str(EXAMPLES / "pictures" / "wall.png")).scaled(400, 300), 0, 0, 0)
    rig.window.open(document)
    assert rig.pump(lambda: rig.window.tabs.currentWidget().isVisible(), PATIENCE_S)
    return document


def _drag(rig: PySideRig, start: QPoint, end: QPoint) -> None:
    view = rig.window.tabs.currentWidget()
    places = [view.mapFromScene(start), view.mapFromScene(end)]
    QTest.mousePress(view.viewport(), Qt.MouseButton.LeftButton, pos=places[0])
    for place in (places[0] + QPoint(9, 9), places[1]):
        # QTest.mouseMove presses no button.
        moved = QMouseEvent(
            QEvent.Type.MouseMove,
            QPointF(place),
            QPointF(view.viewport().mapToGlobal(place)),
            Qt.MouseButton.NoButton,
            Qt.MouseButton.LeftButton,
            Qt.KeyboardModifier.NoModifier,
        )
        rig.application.sendEvent(view.viewport(), moved)
    QTest.mouseRelease(view.viewport(), Qt.MouseButton.LeftButton, pos=places[1])


def _press(rig: PySideRig, title: str) -> None:
    next(action for action in rig.window.findChildren(QAction) if action.text() == title).trigger()


def test_a_dragged_selection_is_filled_shown_and_undone(
    rig: PySideRig, daemon: FakeDaemon, tmp_path: Path
) -> None:
    daemon.script = Script(drawing=True)
    document = _opened(rig)
    before = document.merged(QRect(0, 0, 400, 300))
    _drag(rig, QPoint(120, 90), QPoint(260, 200))
    selected = document.selected()
    assert selected is not None and abs(selected.width() - 140) <= 2 and abs(selected.height() - 110) <= 2
    rig.window.prompt.setText("moss")
    _press(rig, "Fill")
    assert rig.pump(lambda: len(document.layers()) == 2, PATIENCE_S), rig.window.statusBar().currentMessage()
    assert rig.layer_names(document.id) == ["moss", "Ground"]
    after = document.merged(QRect(0, 0, 400, 300))
    assert after.pixel(190, 145) != before.pixel(190, 145)
    assert after.pixel(20, 20) == before.pixel(20, 20)
    assert rig.pump(lambda: rig.window.bar.value() == 100, PATIENCE_S)
    shown = rig.window.grab()
    shown.save(str(tmp_path / "window.png"))
    # What a person sees is the picture, not only the document: the view's own pixels hold the drawing.
    view = rig.window.tabs.currentWidget()
    place = view.viewport().mapTo(rig.window, view.mapFromScene(QPoint(190, 145)))
    assert shown.toImage().pixelColor(place).rgb() == after.pixelColor(190, 145).rgb()
    _press(rig, "Undo")
    assert document.merged(QRect(0, 0, 400, 300)) == before
    _press(rig, "Redo")
    assert document.merged(QRect(0, 0, 400, 300)) == after


def test_a_fill_without_a_selection_tells_the_user_in_the_status_bar(rig: PySideRig) -> None:
    _opened(rig)
    _press(rig, "Fill")
    assert rig.pump(lambda: "Nothing is selected" in rig.window.statusBar().currentMessage(), PATIENCE_S)


def test_cancel_ends_the_running_fill(rig: PySideRig, daemon: FakeDaemon) -> None:
    daemon.script = Script(steps=3, hang_at_step=2)
    document = _opened(rig)
    document.select(QRect(100, 80, 60, 40))
    _press(rig, "Fill")
    assert rig.pump(lambda: rig.window.bar.value() > 0, PATIENCE_S)
    _press(rig, "Cancel")
    assert rig.pump(lambda: not rig.window.session.tasks, PATIENCE_S)
    assert len(document.layers()) == 1


def test_the_selection_that_is_shown_is_no_part_of_the_picture(rig: PySideRig) -> None:
    document = _opened(rig)
    before = document.merged(QRect(0, 0, 400, 300))
    document.select(QRect(100, 80, 60, 40))
    assert document.merged(QRect(0, 0, 400, 300)) == before
    assert rig.adapter.selection_bounds(document.id) == Bounds(100, 80, 60, 40)


def test_each_file_of_the_example_is_short() -> None:
    lengths = {
        file.name: len(file.read_text("utf-8").splitlines())
        for file in (EXAMPLES / "02_pyside_canvas").glob("*.py")
    }
    assert lengths and max(lengths.values()) <= 150, lengths


def test_the_dashed_frame_is_drawn_over_the_view(rig: PySideRig) -> None:
    document = _opened(rig)
    view = rig.window.tabs.currentWidget()
    plain = view.grab().toImage()
    document.select(QRect(100, 80, 60, 40))
    assert view.grab().toImage() != plain
