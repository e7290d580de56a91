"""What adapters say about reference pictures, remembered for the next job with the same picture."""

from __future__ import annotations

from abc import abstractmethod
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import torch

from underpaint.engine.controls.encoder import ImageEncoders
from underpaint.engine.controls.plan import PlannedControl, Reference
from underpaint.engine.controls.shelved import Shelved
from underpaint.engine.residency import Shelf

REMEMBERED = 16
"""Looks at pictures that are kept."""


@dataclass(frozen=True)
class Look:
    """What an adapter says about a picture, and about none: `(1, tokens, text width)` each."""

    picture: torch.Tensor
    nothing: torch.Tensor


class Looks(Shelved):
    """Adapters that look at pictures through CLIP. For the device's one thread."""

    part = "ip_adapter"

    def __init__(self, shelf: Shelf, user: str, device: str, dtype: torch.dtype) -> None:
        super().__init__(shelf, user, device, dtype)
        self.encoders = ImageEncoders(shelf, user, device, dtype)
        self._remembered: OrderedDict[tuple[str, str, bytes], Look] = OrderedDict()
        self.calls = 0
        """Pictures encoded so far; those remembered do not count."""

    def look(self, control: PlannedControl) -> Look:
        """What a control's adapter makes of its picture."""
        shown = control.reference
        assert shown is not None, "references are planned with their pictures"
        key = (str(control.folder), str(shown.encoder), shown.digest)
        if key in self._remembered:
            self._remembered.move_to_end(key)
            return self._remembered[key]
        found = self._look(control.folder, shown)
        self.calls += 1
        self._remembered[key] = found
        if len(self._remembered) > REMEMBERED:
            self._remembered.popitem(last=False)
        return found

    @abstractmethod
    def _look(self, adapter: Path, shown: Reference) -> Look:
        """The same, looked at anew."""
