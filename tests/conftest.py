"""Models for every folder of tests, and how Hypothesis searches."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says nothing on a machine that does other things too. A search that finds
# something new is for people at their desks: what runs before a merge looks at the same examples each time.
SLOW = [HealthCheck.too_slow]
settings.register_profile("desk", deadline=None, print_blob=True, suppress_health_check=SLOW)
settings.register_profile("ci", settings.get_profile("desk"), derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "desk")


@pytest.fixture(scope="session")
def tiny_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model root with a 4-channel and a 9-channel model, and a control net and two LoRAs for both."""
    # torch takes seconds to import: only tests that need models pay for it.
    from tests.tiny_loras import write_lora
    from tests.tiny_models import build_tiny, build_tiny_control

    root = tmp_path_factory.mktemp("models")
    build_tiny(root / "tiny")
    build_tiny(root / "tiny-inpaint", kind="sd15-inpaint", shared_from="../tiny")
    build_tiny_control(root / "tiny-lines", roles=("line-art", "canny"))
    write_lora(root / "tiny-ink.safetensors", root / "tiny")
    write_lora(root / "tiny-wash.safetensors", root / "tiny", naming="diffusers", seed=1)
    return root
