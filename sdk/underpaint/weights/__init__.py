"""Weight files on disk: what one is, from its header alone. No torch, no numpy, no tensor read."""

from __future__ import annotations

from underpaint.weights.probe import Probe, Prober

__all__ = ["Probe", "Prober"]
