"""Looks over an adapter's shoulder: who calls the contract, in which thread, with what."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from underpaint.host import HostAdapter, Notice, Result
from underpaint.types import Bounds, JobUpdate

MAIN_ONLY: Final = (
    "canvas",
    "read_merged",
    "list_layers",
    "read_layer",
    "selection_bounds",
    "read_selection",
    "host_context",
    "write_result",
    "show_progress",
    "show_preview",
    "show_notice",
)


@dataclass
class Call:
    """One call of the contract. Holds no pixels: the suite must not keep alive what it looks for."""

    name: str
    thread: str
    on_main: bool
    bounds: Bounds | None = None
    document_id: str = ""
    seconds: float = 0.0


@dataclass
class Watch:
    """Made on the main thread. The methods of this one adapter object are replaced by watched ones.

    Calls that the adapter makes to itself are seen too.
    """

    adapter: HostAdapter
    calls: list[Call] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    updates: list[JobUpdate] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._main = threading.current_thread()
        for name in MAIN_ONLY:
            setattr(self.adapter, name, self._watched(name, getattr(self.adapter, name)))

    def named(self, *names: str) -> list[Call]:
        """Calls of these methods, oldest first."""
        return [call for call in self.calls if call.name in names]

    @property
    def strays(self) -> list[Call]:
        """Calls off the main thread."""
        return [call for call in self.calls if not call.on_main]

    def _watched(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def call(*given: Any, **named: Any) -> Any:
            thread = threading.current_thread()
            made = Call(name, thread.name, thread is self._main)
            for value in (*given, *named.values()):
                self._note(made, value)
            self.calls.append(made)
            begun = time.perf_counter()
            try:
                return method(*given, **named)
            finally:
                made.seconds = time.perf_counter() - begun

        return call

    def _note(self, made: Call, value: object) -> None:
        if isinstance(value, str):
            made.document_id = made.document_id or value
        elif isinstance(value, Bounds):
            made.bounds = value
        elif isinstance(value, Result):
            made.bounds, made.document_id = value.image.bounds, value.document_id
        elif isinstance(value, Notice):
            self.notices.append(value)
        elif isinstance(value, JobUpdate):
            self.updates.append(value)
