"""The families' engines in this worker, one for each model that was asked for."""

from __future__ import annotations

import threading
from importlib import import_module

from underpaint.engine.family import Family
from underpaint.engine.residency import Shelf
from underpaint.errors import ModelUnusable
from underpaint.worker_v1 import worker_service_pb2


class Families:
    """Engines by model. `get` and `loaded` may be called from any thread, `forget` from the device's."""

    def __init__(self, shelf: Shelf, device: str, dtype: str) -> None:
        self.shelf = shelf
        self.device = device
        self.dtype = dtype
        self._engines: dict[str, tuple[bytes, Family]] = {}
        self._lock = threading.Lock()

    def get(self, source: worker_service_pb2.ModelSource) -> Family:
        """The engine for a model, made anew if the model's description changed. Raises `ModelUnusable`."""
        key = source.SerializeToString(deterministic=True)
        with self._lock:
            known = self._engines.get(source.name)
            if known is None or known[0] != key:
                known = (key, self._make(source))
                self._engines[source.name] = known
            return known[1]

    def loaded(self) -> list[str]:
        """Names of the models that are in memory."""
        with self._lock:
            return sorted(name for name, (_, family) in self._engines.items() if family.loaded)

    def forget(self, name: str) -> None:
        """Gives a model's memory back; "" means every model's."""
        with self._lock:
            for gone in [name] if name else list(self._engines):
                self._engines.pop(gone, None)
        self.shelf.release(name or None)

    def _make(self, source: worker_service_pb2.ModelSource) -> Family:
        module, _, attribute = source.engine.partition(":")
        try:
            engine = getattr(import_module(module), attribute)
        except (ImportError, AttributeError, ValueError) as error:
            raise ModelUnusable(
                f"The engine {source.engine!r} of the family {source.family!r} cannot be imported: {error}. "
                "Repair or remove the plug-in that brings it.",
                metadata={"model": source.name, "path": source.path},
            ) from error
        family: Family = engine(source, self.shelf, self.device, self.dtype)
        return family
