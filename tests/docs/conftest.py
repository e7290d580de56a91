"""A real daemon with a real engine and tiny models, one for the whole folder."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.folders import remove
from tests.support.installation import Installation


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory, tiny_root: Path) -> Iterator[Installation]:
    """A running daemon; every test leaves it as it was."""
    runtime = Path(tempfile.mkdtemp(prefix="up-"))
    shared = Installation(tmp_path_factory.mktemp("installation"), runtime, tiny_root)
    shared.serve()
    yield shared
    shared.close()
    remove(runtime)
