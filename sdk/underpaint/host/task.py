"""A verb at work: what a panel shows and may cancel."""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable

from underpaint.errors import Unavailable, UnderpaintError
from underpaint.types import JobUpdate

CANCEL_PAUSE_S = 1.0


class TaskState(enum.Enum):
    """Where a task is in its life."""

    PREPARING = "preparing"
    RUNNING = "running"
    PLACED = "placed"
    """The result is in the document."""
    KEPT = "kept"
    """There is a result, but its place is gone; it stays with its job."""
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether it stays so."""
        return self not in (TaskState.PREPARING, TaskState.RUNNING)


class Task:
    """Made by `Session`; its properties may be read from any thread.

    `on_done` runs on the host's main thread once the task is final.
    """

    def __init__(self, title: str, on_done: Callable[[Task], None] | None = None) -> None:
        self.title = title
        self.state = TaskState.PREPARING
        self.update: JobUpdate | None = None
        self.error: UnderpaintError | None = None
        self.job_name = ""
        self.on_done = on_done
        self._finished = threading.Event()
        self._cancelled = threading.Event()
        self._canceller: Callable[[], object] | None = None
        self._lock = threading.Lock()

    @property
    def done(self) -> bool:
        """Whether the task is final and `on_done` has run."""
        return self._finished.is_set()

    @property
    def cancel_requested(self) -> bool:
        """Whether somebody called `cancel`."""
        return self._cancelled.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Waits for the end; never call it on the host's main thread (pump there instead)."""
        return self._finished.wait(timeout)

    def cancel(self) -> None:
        """Asks for a stop; returns at once, from any thread. Idempotent."""
        with self._lock:
            again, running = self._cancelled.is_set(), self._canceller is not None
            self._cancelled.set()
        if running and not again:
            threading.Thread(target=self._pass_on, name="underpaint-cancel", daemon=True).start()

    def attach(self, job_name: str, canceller: Callable[[], object]) -> None:
        """Says which job it is now; a cancellation that came earlier is passed on."""
        with self._lock:
            self.job_name = job_name
            self.state = TaskState.RUNNING
            self._canceller = canceller
            late = self._cancelled.is_set()
        if late:
            canceller()

    def _pass_on(self) -> None:
        # A daemon that is just starting again must still hear of it: it would go on with the job.
        while not self._finished.is_set():
            with self._lock:
                canceller = self._canceller
            try:
                if canceller is not None:
                    canceller()
                return
            except Unavailable:
                self._finished.wait(CANCEL_PAUSE_S)
            except UnderpaintError:
                return  # It has ended meanwhile; the task's own thread says how.

    def finish(self, state: TaskState, error: UnderpaintError | None = None) -> None:
        """Makes it final; called by `Session` on the main thread."""
        with self._lock:
            self.state, self.error = state, error
        try:
            if self.on_done is not None:
                self.on_done(self)
        finally:
            self._finished.set()
