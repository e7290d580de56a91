"""A device's memory as the broker sees it, and torch's devices behind that."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import nn

DEFAULT_TOTAL = 16 << 30
"""Bytes of memory to assume where the system does not say."""


@dataclass
class Measured:
    """What something took."""

    peak: int = 0
    """Most bytes of the device in use at once, components included; 0 where that is not counted."""


class Device(Protocol):
    """What the broker needs of a device. All calls come from the device's one thread.

    `move_in`, `stream` and whatever computes raise `torch.OutOfMemoryError` (or `MemoryError`) where there is
    too little memory.
    """

    @property
    def name(self) -> str:
        """As torch names it."""

    @property
    def moves(self) -> bool:
        """Whether components have to be brought to it; a CPU computes where they lie."""

    @property
    def shares(self) -> bool:
        """Whether its memory is the machine's own: then nothing is gained by moving out to RAM."""

    def total(self) -> int:
        """Bytes of its memory."""

    def free(self) -> int:
        """Bytes that are free for us now: what other programs hold is not, what torch only caches is."""

    def move_in(self, component: Any) -> None:
        """Brings a component from RAM, pinned or not."""

    def move_out(self, component: Any) -> None:
        """Brings it back to RAM: into its pinned pages, if it came from such."""

    def pin(self, component: Any) -> bool:
        """Fixes its pages in RAM; False where that cannot be done."""

    def forget(self, component: Any) -> None:
        """It leaves memory: pages that were fixed for it are let go."""

    def stream(self, component: Any) -> bool:
        """Leaves its weights in RAM; each layer's come when it computes. False for no network."""

    def tidy(self) -> None:
        """Gives what torch caches back to the system."""

    def measured(self) -> AbstractContextManager[Measured]:
        """Measures what happens inside; the figure is there at its end."""


class TorchDevice:
    """A device of torch: "cpu", "cuda:0", "mps". `limit`: of CUDA use no more than so many bytes."""

    def __init__(self, name: str, limit: int | None = None) -> None:
        self._limit = limit
        self._device = torch.device(name)
        self._kind = self._device.type
        self._pinned: dict[int, dict[int, torch.Tensor]] = {}
        """By component and tensor: what of it is fixed in RAM."""

    @property
    def name(self) -> str:
        """See `Device`."""
        return str(self._device)

    @property
    def moves(self) -> bool:
        """See `Device`."""
        return self._kind != "cpu"

    @property
    def shares(self) -> bool:
        """See `Device`."""
        return self._kind in ("cpu", "mps")

    def total(self) -> int:
        """See `Device`."""
        if self._kind == "cuda":
            total = int(torch.cuda.mem_get_info(self._device)[1])
            return total if self._limit is None else min(total, self._limit)
        if self._kind == "mps":
            return int(torch.mps.recommended_max_memory())
        return machine_memory()

    def free(self) -> int:
        """See `Device`; for a CPU everything, since nothing has to be moved there."""
        if self._kind == "cuda":
            reserved = torch.cuda.memory_reserved(self._device)
            unused = reserved - torch.cuda.memory_allocated(self._device)
            others = int(torch.cuda.mem_get_info(self._device)[0])
            return (others if self._limit is None else min(others, self._limit - reserved)) + unused
        if self._kind == "mps":
            return self.total() - int(torch.mps.current_allocated_memory())
        return machine_memory()

    def move_in(self, component: Any) -> None:
        """See `Device`."""
        pinned = self._pinned.get(id(component), {})
        for tensor in tensors_of(component):
            tensor.data = tensor.data.to(self._device, non_blocking=id(tensor) in pinned)

    def move_out(self, component: Any) -> None:
        """See `Device`."""
        pinned = self._pinned.get(id(component), {})
        for tensor in tensors_of(component):
            # Weights do not change while they are used: what was fixed in RAM is still what they are.
            kept = pinned.get(id(tensor))
            tensor.data = tensor.data.to("cpu") if kept is None else kept

    def pin(self, component: Any) -> bool:
        """See `Device`; CUDA only."""
        if self._kind != "cuda":
            return False
        pinned = {}
        for tensor in tensors_of(component):
            tensor.data = tensor.data.pin_memory()
            pinned[id(tensor)] = tensor.data
        self._pinned[id(component)] = pinned
        return True

    def forget(self, component: Any) -> None:
        """See `Device`."""
        self._pinned.pop(id(component), None)

    def stream(self, component: Any) -> bool:
        """See `Device`."""
        return stream(component, self._device)

    @contextmanager
    def measured(self) -> Iterator[Measured]:
        """See `Device`; CUDA only."""
        measured = Measured()
        if self._kind == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
        yield measured
        if self._kind == "cuda":
            measured.peak = int(torch.cuda.max_memory_allocated(self._device))

    def tidy(self) -> None:
        """See `Device`."""
        gc.collect()
        if self._kind == "cuda":
            torch.cuda.empty_cache()
        elif self._kind == "mps":
            torch.mps.empty_cache()


def stream(component: Any, device: torch.device) -> bool:
    """Leaves a component's weights in RAM; each layer's come to `device` when it computes, and go after.

    By diffusers' group offloading; on CUDA the next layer's are fetched meanwhile. False without networks.
    """
    from diffusers.hooks import apply_group_offloading

    streamed = False
    for module in modules_of(component):
        if type(module).forward is torch.nn.Module.forward:
            # Nobody calls it, as the layers of a LoRA: nothing would bring its weights.
            return False
        apply_group_offloading(
            module,
            onload_device=device,
            offload_device=torch.device("cpu"),
            offload_type="leaf_level",
            use_stream=device.type == "cuda",
        )
        streamed = True
    return streamed


def machine_memory() -> int:
    """Bytes of the machine's memory."""
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return int(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return DEFAULT_TOTAL


def modules_of(component: Any) -> Iterator[nn.Module]:
    """The networks in a component: itself, or those in a tuple."""
    if isinstance(component, nn.Module):
        yield component
    elif isinstance(component, tuple | list):
        for part in component:
            yield from modules_of(part)


def tensors_of(component: Any) -> Iterator[torch.Tensor]:
    """Its weights and buffers, each once."""
    seen: set[int] = set()
    for module in modules_of(component):
        for tensor in (*module.parameters(), *module.buffers()):
            if id(tensor) not in seen:
                seen.add(id(tensor))
                yield tensor


def bytes_of(component: Any) -> int:
    """Bytes of its weights and buffers; 0 for what holds no network."""
    return sum(tensor.nbytes for tensor in tensors_of(component))
