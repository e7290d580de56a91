"""The materials swatch knows, by name."""

from __future__ import annotations

from . import made, masonry, nature, printed
from .base import SIZE, Map, Material, Pattern, Rng

MATERIALS: tuple[Material, ...] = (
    *masonry.MATERIALS,
    *printed.MATERIALS,
    *nature.MATERIALS,
    *made.MATERIALS,
)
BY_NAME: dict[str, Material] = {material.name: material for material in MATERIALS}

__all__ = ["BY_NAME", "MATERIALS", "SIZE", "Map", "Material", "Pattern", "Rng"]
