"""A real daemon with a real engine and tiny models, for the whole folder."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.folders import remove
from tests.support.installation import Installation


@pytest.fixture
def empty_installation(tmp_path: Path, tiny_root: Path) -> Iterator[Installation]:
    """Folders with models, no daemon yet."""
    runtime = Path(tempfile.mkdtemp(prefix="up-"))
    installation = Installation(tmp_path, runtime, tiny_root)
    yield installation
    installation.close()
    remove(runtime)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory, tiny_root: Path) -> Iterator[Installation]:
    """A running daemon, shared by the tests of a module."""
    runtime = Path(tempfile.mkdtemp(prefix="up-"))
    shared = Installation(tmp_path_factory.mktemp("installation"), runtime, tiny_root)
    shared.serve()
    yield shared
    shared.close()
    remove(runtime)
