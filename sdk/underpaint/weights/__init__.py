"""Weight files on disk: what one is, from its header alone. No torch, no numpy, no tensor read."""

from __future__ import annotations

from underpaint.weights.listing import Listing
from underpaint.weights.probe import PICKLES, SUFFIXES, Probe, Prober, classify
from underpaint.weights.safetensors import read_safetensors

__all__ = ["PICKLES", "SUFFIXES", "Listing", "Probe", "Prober", "classify", "read_safetensors"]
