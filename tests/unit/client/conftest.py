"""A fake daemon over real sockets and files, and clients that find it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from underpaint.client import Client, connect
from underpaint.testing.fake_daemon import FakeDaemon


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The run-time folder; short, as sockets want it. State and configuration lie elsewhere."""
    runtime = Path(tempfile.mkdtemp(prefix="up-"))
    monkeypatch.setenv("UNDERPAINT_RUNTIME_DIR", str(runtime))
    for kind in ("STATE", "CONFIG"):
        monkeypatch.setenv(f"UNDERPAINT_{kind}_DIR", str(tmp_path / kind.lower()))
    monkeypatch.delenv("UNDERPAINT_PIXELS", raising=False)
    yield runtime
    shutil.rmtree(runtime)


@pytest.fixture
def daemon(folder: Path) -> Iterator[FakeDaemon]:
    with FakeDaemon(folder) as running:
        yield running


@pytest.fixture(params=["auto", "chunks"])
def client(daemon: FakeDaemon, request: pytest.FixtureRequest) -> Iterator[Client]:
    """The same tests over mapped files and over chunks."""
    with connect(start=False, pixels=request.param, reconnect_for=5.0) as connected:
        yield connected
