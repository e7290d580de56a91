"""Where data, checkpoints and logs live: outside the checkout, so that anyone can resume."""

from __future__ import annotations

import os
from pathlib import Path


def cache() -> Path:
    """``$XDG_CACHE_HOME/underpaint-swatch``, made when missing."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "underpaint-swatch"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
