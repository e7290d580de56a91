"""The reference host with a memory: what was asked of it, and what came."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from underpaint.host import Result, Task
from underpaint.testing.reference import Document, PaintLayer, ReferenceHost
from underpaint.types import Bounds, Image, JobUpdate, Preview


class RecordingHost(ReferenceHost):
    """Whoever made it is its main thread and pumps it with `pump_until`."""

    def __init__(self) -> None:
        super().__init__("paper")
        self.reads: list[Bounds] = []
        self.results: list[Result] = []
        self.updates: list[JobUpdate] = []
        self.shown: list[tuple[str, Bounds]] = []
        """Previews, by document and place."""
        self.fault: Exception | None = None
        """Raised by the next `write_result`."""
        self.on_progress = self.updates.append

    def new(self, name: str, width: int, height: int) -> Document:
        """A new document, active, painted with a gradient on a layer whose id is "ground"."""
        y, x = np.mgrid[0:height, 0:width]
        rgba = np.stack([x % 256, y % 256, (x + y) % 256, np.full_like(x, 255)], axis=2).astype(np.uint8)
        ground = PaintLayer(name="ground", samples=rgba, layer_id="ground")
        document = Document(width, height, title=name, document_id=name, layers=(ground,))
        document.active = "ground"
        return self.open(document)

    def pump_until(self, done: Callable[[], object], what: str, seconds: float = 60.0) -> None:
        """Turns the event loop until `done()` is true."""
        assert self.queue.pump_until(lambda: bool(done()), seconds), (what, self.notices)

    def finish(self, *tasks: Task) -> None:
        """Turns the event loop until the tasks are final."""
        titles = ", ".join(task.title for task in tasks)
        self.pump_until(lambda: all(task.done for task in tasks), f"the end of {titles}")

    def idle(self, seconds: float) -> None:
        """Turns the event loop for a while."""
        end = time.monotonic() + seconds
        self.queue.pump_until(lambda: time.monotonic() > end)

    # The contract, noted down.

    def read_merged(self, document_id: str, bounds: Bounds) -> Image:
        self.reads.append(bounds)
        return super().read_merged(document_id, bounds)

    def read_layer(self, document_id: str, layer_id: str, bounds: Bounds) -> Image:
        self.reads.append(bounds)
        return super().read_layer(document_id, layer_id, bounds)

    def read_selection(self, document_id: str, bounds: Bounds) -> Image:
        self.reads.append(bounds)
        return super().read_selection(document_id, bounds)

    def write_result(self, result: Result) -> None:
        fault, self.fault = self.fault, None
        if fault is not None:
            raise fault
        super().write_result(result)
        self.results.append(result)

    def show_preview(self, document_id: str, preview: Preview, bounds: Bounds) -> None:
        super().show_preview(document_id, preview, bounds)
        self.shown.append((document_id, bounds))
