"""A host's connection to the daemon: found or started when it is needed, and again when it was lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from underpaint.errors import DaemonUnreachable, ModelNotFound, ShuttingDown
from underpaint.host.protocol import ClientProtocol
from underpaint.types import ModelInfo, ModelList

RECONNECT_S = 60.0
RECONNECT_PAUSE_S = 1.0


class Connection:
    """Used from any background thread; `connect` may take a minute, so never on the main thread."""

    def __init__(self, connect: Callable[[], ClientProtocol]) -> None:
        self.closing = threading.Event()
        self._connect = connect
        self._client: ClientProtocol | None = None
        self._models: ModelList | None = None
        self._lock = threading.Lock()
        self._connecting = threading.Lock()

    def reach(self) -> ClientProtocol:
        """The client; raises `DaemonUnreachable`, or `ShuttingDown` once this is closed."""
        # Connecting may take a minute, and `close` on the main thread must not wait for it.
        with self._connecting:
            with self._lock:
                client = self._client
            if client is None and not self.closing.is_set():
                client = self._connect()
                with self._lock:
                    self._client = client
            if client is None or self.closing.is_set():
                self.close()
                raise ShuttingDown("The host is closing; jobs go on in the daemon.")
            return client

    def reach_again(
        self, lost: ClientProtocol, error: DaemonUnreachable, given_up: Callable[[], bool]
    ) -> ClientProtocol:
        """A connection to the daemon's next life. Tries for a minute, or until `given_up()`."""
        deadline = time.monotonic() + RECONNECT_S
        with self._lock:
            # Not closed: other tasks may still wait on it. It ends when the last of them lets go.
            if self._client is lost:
                self._client = None
        while not (self.closing.is_set() or given_up()) and time.monotonic() < deadline:
            try:
                return self.reach()
            except DaemonUnreachable as still_lost:
                error = still_lost
                self.closing.wait(RECONNECT_PAUSE_S)
        raise error

    def list_models(self, *, fresh: bool = False) -> ModelList:
        """Models that the daemon knows; as last seen, unless `fresh`."""
        models = self._models
        if models is None or fresh:
            models = self._models = self.reach().models()
        return models

    def model(self, name: str, operation: str) -> ModelInfo:
        """What is known of a model; "" means the default for the operation.

        Raises `ModelNotFound` where there is no default.
        """
        found = self._look_up(name, operation) or self._look_up(name, operation, fresh=True)
        if found is None and not name:
            raise ModelNotFound(
                f"No installed model can do {operation}: underpaint models list shows what there is."
            )
        # A path that the user typed is the daemon's to judge; sizes are then the common ones.
        return found or ModelInfo(name=name)

    def known_model(self, name: str, operation: str) -> ModelInfo | None:
        """What `model` would say, if the daemon has told of its models before; asks nobody, any thread."""
        return _find(self._models, name, operation) if self._models is not None else None

    def _look_up(self, name: str, operation: str, *, fresh: bool = False) -> ModelInfo | None:
        return _find(self.list_models(fresh=fresh), name, operation)

    def close(self) -> None:
        """Lets go; returns at once. Idempotent."""
        self.closing.set()
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()


def _find(models: ModelList, name: str, operation: str) -> ModelInfo | None:
    default = models.default_inpaint_model if operation == "inpaint" else models.default_model
    return models.get(name or default)
