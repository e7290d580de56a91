"""Networks of control models on the shelf, beside the components of the model that they steer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import torch

from underpaint.engine.families.single_file import sidecar
from underpaint.engine.residency import Shelf, Slot


class Shelved(ABC):
    """One kind of them, by folder or file. For the device's one thread."""

    part: ClassVar[str] = "control"
    """What a file of one holds, as `underpaint.weights.places` and messages name it."""

    def __init__(self, shelf: Shelf, user: str, device: str, dtype: torch.dtype) -> None:
        self._shelf = shelf
        self._user = user
        self._device = device
        self._dtype = dtype

    def has(self, place: Path) -> bool:
        """Whether one is in memory."""
        return self._shelf.has(self._slot(place))

    def load(self, place: Path) -> Any:
        """One, from disk if need be. Raises `ModelUnusable`."""
        return self._shelf.get(self._slot(place), self._user, lambda: self._from_disk(place))

    @abstractmethod
    def _from_disk(self, place: Path) -> Any:
        """One, read into memory; raises what the libraries raise."""

    def _slot(self, place: Path) -> Slot:
        if not place.is_file():
            return Slot(str(place), str(self._dtype))
        beside = sidecar(place)
        return Slot(str(place), str(self._dtype), self.part, (str(beside),) * beside.is_file())
