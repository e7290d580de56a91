"""Models for every folder of tests."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model root with a 4-channel and a 9-channel model."""
    # torch takes seconds to import: only tests that need models pay for it.
    from tests.tiny_models import build_tiny

    root = tmp_path_factory.mktemp("models")
    build_tiny(root / "tiny")
    build_tiny(root / "tiny-inpaint", kind="sd15-inpaint", shared_from="../tiny")
    return root
