"""All kinds of control models together, as FLUX's transformer needs them. For the device's one thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch

from underpaint.engine.controls.plan import PlannedControl
from underpaint.engine.controls.shelved import Shelved
from underpaint.engine.flux.nets import FluxNets, nets_of
from underpaint.engine.flux.references import FluxReferences
from underpaint.engine.flux.siglip import PictureReader, embedder_of
from underpaint.engine.residency import Shelf
from underpaint.weights import kinds


class FluxSteering:
    """The control models that one model's jobs use, on the shelf beside its own components."""

    def __init__(self, shelf: Shelf, user: str, device: str, dtype: torch.dtype) -> None:
        self.nets = FluxNets(shelf, user, device, dtype)
        self.redux = PictureReader(shelf, user, device, dtype)
        self.references = FluxReferences(shelf, user, device, dtype)

    def missing(self, controls: Sequence[PlannedControl]) -> list[Callable[[], object]]:
        """What brings each network into memory that controls need and that is not there."""
        return [partial(held.load, place) for held, place in self._needs(controls) if not held.has(place)]

    def claim(self, controls: Sequence[PlannedControl]) -> None:
        """Brings what controls need into memory; marks what another model loaded as used by this one."""
        for held, place in self._needs(controls):
            held.load(place)

    def look(self, control: PlannedControl) -> None:
        """Encodes a reference's picture, unless that has been done."""
        if control.kind == kinds.REDUX:
            self.redux.words(control)
        else:
            self.references.look(control)

    def _needs(self, controls: Sequence[PlannedControl]) -> list[tuple[Shelved, Path]]:
        needs: list[tuple[Shelved, Path]] = [(self.nets, one.folder) for one in nets_of(controls)]
        for control in controls:
            if control.reference is None:
                continue
            if control.kind == kinds.REDUX:
                needs.append((self.redux.encoders, control.reference.encoder))
                needs.append((self.redux.embedders, embedder_of(control.folder)))
            else:
                needs.append((self.references.encoders, control.reference.encoder))
                needs.append((self.references, control.folder))
        return list(dict.fromkeys(needs))
