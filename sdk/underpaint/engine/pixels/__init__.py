"""Pixels as hosts have them, and as models want them: float32 RGBA, straight alpha, sRGB, top row first."""

from __future__ import annotations

from underpaint.engine.pixels.alpha import fill_transparent
from underpaint.engine.pixels.canonical import Raster, canonicalise, coverage, encode
from underpaint.engine.pixels.files import write_raw

__all__ = ["Raster", "canonicalise", "coverage", "encode", "fill_transparent", "write_raw"]
