"""Swatch: small texture models that travel with underpaint; this package is only their weights."""

from __future__ import annotations

from pathlib import Path

__all__ = ["model_root"]


def model_root() -> Path:
    """The folder whose subfolders are models."""
    return Path(__file__).parent / "models"
