"""How much memory computing takes: bytes of the tensors that are alive at once, counted as they come and go.

Works on any device, the meta device among them, where a network of any size "computes" in a moment and takes
no memory. What an allocator adds (blocks, workspaces of convolutions) is not seen.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Meter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While it is entered, counts what tensors made inside take. What was there before counts for nothing.

    `limit`: with more bytes alive than it says, raises `torch.OutOfMemoryError` as a device would.
    """

    def __init__(self, limit: Callable[[], int] | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = 0
        """Most bytes alive at once so far."""
        self._limit = limit
        self._live = 0
        self._known: weakref.WeakSet[torch.UntypedStorage] = weakref.WeakSet()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Runs the operation and counts what is new in its result."""
        given = {_storage(leaf) for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)}
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if not isinstance(leaf, torch.Tensor) or _storage(leaf) in given:
                continue
            if leaf.untyped_storage() not in self._known:
                self._count(leaf.untyped_storage())
        return result

    def _count(self, storage: torch.UntypedStorage) -> None:
        size = storage.nbytes()
        self._known.add(storage)
        self._live += size
        weakref.finalize(storage, self._gone, size)
        self.peak = max(self.peak, self._live)
        if self._limit is not None and self._live > self._limit():
            raise torch.OutOfMemoryError(f"{self._live} bytes are wanted, {self._limit()} are free")

    def _gone(self, size: int) -> None:
        self._live -= size


class FusedAttention(TorchFunctionMode):
    """On the meta device attention is spelled out; this makes it cost what it does on a GPU: its result."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """The call, or a result of its shape."""
        if func is functional.scaled_dot_product_attention:
            named = dict(zip(("query", "key", "value"), args, strict=False)) | (kwargs or {})
            query, value = named["query"], named["value"]
            return query.new_empty((*query.shape[:-1], value.shape[-1]))
        return func(*args, **(kwargs or {}))


def _storage(tensor: torch.Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)
