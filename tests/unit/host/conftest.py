"""A host that lives in memory, a document in it, and a daemon without a model."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.recording import RecordingHost
from underpaint.client import link
from underpaint.host import connection as connection_module
from underpaint.host import task as task_module
from underpaint.testing.fake_daemon import FakeDaemon
from underpaint.testing.reference import Document, Selection
from underpaint.types import Bounds

HOLE = Bounds(210, 135, 13, 9)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The run-time folder: short, as sockets want it."""
    runtime = Path(tempfile.mkdtemp(prefix="up-"))
    monkeypatch.setenv("UNDERPAINT_RUNTIME_DIR", str(runtime))
    for kind in ("STATE", "CONFIG"):
        monkeypatch.setenv(f"UNDERPAINT_{kind}_DIR", str(tmp_path / kind.lower()))
    # How long they wait for a daemon that is just starting again: a test has no time for it.
    monkeypatch.setattr(link, "_COMEBACK", 0.2)
    monkeypatch.setattr(connection_module, "RECONNECT_PAUSE_S", 0.05)
    monkeypatch.setattr(task_module, "CANCEL_PAUSE_S", 0.05)
    yield runtime
    shutil.rmtree(runtime)


@pytest.fixture
def daemon(folder: Path) -> Iterator[FakeDaemon]:
    with FakeDaemon(folder) as running:
        yield running


@pytest.fixture
def host() -> RecordingHost:
    return RecordingHost()


@pytest.fixture
def paper(host: RecordingHost) -> Document:
    """An open document with a small selection, far from three of its edges."""
    made = host.new("barn.kra", 400, 300)
    made.select(Selection.rectangle(HOLE))
    return made


@pytest.fixture(autouse=True)
def no_thread_fails(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A host prints what a thread raises where nobody reads it: here it fails the test."""
    fallen: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", fallen.append)
    yield
    assert not fallen, fallen
