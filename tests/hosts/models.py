"""Small models for the hosts' tests, and one with which a job takes long on any machine."""

from __future__ import annotations

import json
from pathlib import Path

SLOW_SIZE_PX = 512
"""Native size of `tiny-slow`: a step computes 64 times as many pixels as one of `tiny`."""


def build_models(root: Path) -> Path:
    """Writes `tiny` and `tiny-inpaint`, which are the defaults, and `tiny-slow` into `root`."""
    # torch takes seconds to import: only tests that need models pay for it.
    from tests.tiny_models import build_tiny

    build_tiny(root / "tiny")
    build_tiny(root / "tiny-inpaint", kind="sd15-inpaint")
    traits = build_tiny(root / "tiny-slow") / "underpaint.json"
    slow = {"native_size_px": SLOW_SIZE_PX, "max_size_px": 2 * SLOW_SIZE_PX, "title": "Tiny and slow"}
    traits.write_text(json.dumps({**json.loads(traits.read_text("utf-8")), **slow}), "utf-8")
    return root
