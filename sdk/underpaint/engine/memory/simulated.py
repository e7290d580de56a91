"""A device of any size that nobody has: the broker's choices on it are real, its memory is a number.

Networks compute on the CPU, so that pictures can be compared with those of a device with room enough.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from underpaint.engine.memory.device import Measured, bytes_of, modules_of, stream
from underpaint.engine.memory.meter import Meter


class SimulatedDevice:
    """See `underpaint.engine.memory.device.Device`. `total` and `others`, what other programs hold: bytes."""

    name = "cpu"
    moves = True
    shares = False

    def __init__(self, total: int, others: int = 0) -> None:
        self._total = total
        self.others = others
        self.inside: dict[int, int] = {}
        """Bytes by component that is on the device."""
        self.pinned: set[int] = set()
        self.history: list[tuple[str, int]] = []
        """What was asked: ("in", "out" or "stream", bytes)."""

    def total(self) -> int:
        """Its memory in bytes."""
        return self._total

    def free(self) -> int:
        """What neither we nor others hold."""
        return self._total - self.others - sum(self.inside.values())

    def move_in(self, component: Any) -> None:
        """Counts it; raises `torch.OutOfMemoryError` where it does not fit."""
        size = size_of(component)
        if size > self.free():
            raise torch.OutOfMemoryError(f"{size} bytes are wanted, {self.free()} are free")
        self.inside[id(component)] = size
        self.history.append(("in", size))

    def move_out(self, component: Any) -> None:
        """Counts it no longer."""
        self.history.append(("out", self.inside.pop(id(component))))

    def pin(self, component: Any) -> bool:
        """Notes it."""
        self.pinned.add(id(component))
        return True

    def forget(self, component: Any) -> None:
        """Counts it no longer, wherever it was."""
        self.inside.pop(id(component), None)
        self.pinned.discard(id(component))

    def stream(self, component: Any) -> bool:
        """Counts two layers, one that computes and one that comes; a network's hooks are real."""
        self.inside[id(component)] = 2 * largest_layer(component)
        self.history.append(("stream", size_of(component)))
        return stream(component, torch.device("cpu")) or size_of(component) > 0

    @contextmanager
    def measured(self) -> Iterator[Measured]:
        """Counts the tensors that computing makes; with more than is free raises `OutOfMemoryError`."""
        measured = Measured()
        with Meter(self.free) as meter:
            yield measured
        measured.peak = meter.peak + sum(self.inside.values())

    def tidy(self) -> None:
        """Nothing is cached."""


def largest_layer(component: Any) -> int:
    """Bytes of the layer with most weights; of a stand-in what it says in `layer_nbytes`."""
    layers = [
        sum(tensor.nbytes for tensor in layer.parameters(recurse=False))
        for module in modules_of(component)
        for layer in module.modules()
    ]
    return max(layers, default=int(getattr(component, "layer_nbytes", 0)))


def size_of(component: Any) -> int:
    """Bytes of a network, or what a stand-in says of itself in `nbytes`."""
    return bytes_of(component) or int(getattr(component, "nbytes", 0))
