"""A fake daemon over real sockets and files, and clients that find it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.client.waiting import SOON_S
from underpaint.client import Client, connect, leases
from underpaint.testing.fake_daemon import FakeDaemon


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The run-time folder; short, as sockets want it. State and configuration lie elsewhere."""
    runtime = Path(tempfile.mkdtemp(prefix="up-"))
    monkeypatch.setenv("UNDERPAINT_RUNTIME_DIR", str(runtime))
    for kind in ("STATE", "CONFIG"):
        monkeypatch.setenv(f"UNDERPAINT_{kind}_DIR", str(tmp_path / kind.lower()))
    monkeypatch.delenv("UNDERPAINT_PIXELS", raising=False)
    # How long closing waits for a daemon that takes no leases back: here it always does, sooner or later.
    monkeypatch.setattr(leases, "_LAST_RELEASES", SOON_S)
    yield runtime
    shutil.rmtree(runtime)


@pytest.fixture
def daemon(folder: Path) -> Iterator[FakeDaemon]:
    with FakeDaemon(folder) as running:
        yield running


@pytest.fixture(params=["auto", "chunks"])
def client(daemon: FakeDaemon, request: pytest.FixtureRequest) -> Iterator[Client]:
    """The same tests over mapped files and over chunks."""
    with connect(start=False, pixels=request.param, reconnect_for=SOON_S) as connected:
        yield connected
