"""What a check works with: the rig, its watched adapter, the fake daemon, and the usual moves."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Final

from underpaint import Client, connect
from underpaint.host import Capability, HostAdapter, Result, ResultKind, Session, Settings, Task, TaskState
from underpaint.testing.conformance.check import Failed, expect
from underpaint.testing.conformance.codec import Color, Pattern, decode, encode
from underpaint.testing.conformance.compare import TOLERANCE, difference
from underpaint.testing.conformance.daemon import FakeLink
from underpaint.testing.conformance.patterns import places
from underpaint.testing.conformance.rig import DocumentSpec, LayerSpec, Rig, Unsupported
from underpaint.testing.conformance.watch import Watch
from underpaint.types import Bounds, ColorSpace, DataType, Image, PixelFormat

TASK_S: Final = 60.0
"""Longest that a scripted job may take, the host's event loop included; on a busy machine too."""
SMALL: Final = Bounds(0, 0, 56, 40)
"""A canvas for checks of pixels."""
WIDE: Final = Bounds(0, 0, 148, 116)
"""A canvas for jobs: larger than the context of a small selection."""
CLIENT: Final = "conformance-0"


class Stage:
    """One check's world; made on the main thread, ended by `finish`."""

    def __init__(self, rig: Rig, link: Callable[[], FakeLink]) -> None:
        self.rig = rig
        self.watch = Watch(rig.adapter)
        self.specs: dict[str, DocumentSpec] = {}
        self.before: list[Color] = []
        """What was seen before `jobs.begin` started its job, without any preview."""
        self.steps_before: int | None = None
        """Undo steps at that time."""
        self._link = link
        self._sessions: list[Session] = []

    @property
    def adapter(self) -> HostAdapter:
        """The adapter of this start of the program."""
        return self.rig.adapter

    @property
    def link(self) -> FakeLink:
        """The fake daemon."""
        return self._link()

    def finish(self) -> None:
        """Ends sessions, then the rig."""
        for session in self._sessions:
            session.close()
        self.rig.finish()

    # Documents.

    def open(
        self,
        *layers: LayerSpec,
        canvas: Bounds = SMALL,
        title: str = "conformance",
        data_type: DataType | None = None,
        color_space: ColorSpace | None = None,
    ) -> str:
        """Opens a document and remembers its spec. Without a format, the rig's first one is taken."""
        first = tuple(self.rig.formats)[0]
        spec = DocumentSpec(
            width=canvas.width,
            height=canvas.height,
            data_type=data_type or first[0],
            color_space=color_space or first[1],
            title=title,
            layers=layers,
        )
        found = self.rig.open(spec)
        self.specs[found] = spec
        return found

    def open_painted(self, pattern: Pattern = places, canvas: Bounds = SMALL, **more: Any) -> str:
        """A document of one layer that covers the canvas."""
        return self.open(LayerSpec(name="ground", bounds=canvas, pattern=pattern), canvas=canvas, **more)

    def expected(self, document_id: str, bounds: Bounds) -> list[Color]:
        """What the document's spec says is seen within `bounds`."""
        spec = self.specs[document_id]
        return [spec.color(x, y) for y in rows(bounds) for x in columns(bounds)]

    def seen(self, document_id: str, bounds: Bounds | None = None) -> list[Color]:
        """What the user sees, in the document's colour space, by the rig's own means."""
        spec = self.specs[document_id]
        bounds = bounds or spec.bounds
        image = self.rig.picture(document_id, bounds)
        if (image.width, image.height) != (bounds.width, bounds.height):
            raise Unsupported(f"Rig.picture gave {image.width}x{image.height} pixels for {bounds}: mend it")
        return decode(image, spec.color_space)

    def steps(self, document_id: str) -> int | None:
        """Undo steps, where the rig can count them."""
        try:
            return self.rig.undo_steps(document_id)
        except Unsupported:
            return None

    # The adapter.

    def merged(self, document_id: str, bounds: Bounds) -> list[Color]:
        """`read_merged`, in the document's colour space; the image must be what the contract says."""
        return self.decoded(self.adapter.read_merged(document_id, bounds), document_id, bounds, "read_merged")

    def decoded(self, image: object, document_id: str, bounds: Bounds, what: str) -> list[Color]:
        """The colours of an image that the adapter gave for `bounds`."""
        if not isinstance(image, Image):
            raise Failed(f"{what} returned {type(image).__name__}, not an underpaint.Image")
        expect(
            image.bounds == bounds,
            f"{what} was asked for {bounds} and returned an image at {image.bounds}: x, y, width and height "
            "must be those that were asked for",
        )
        return decode(image, self.specs[document_id].color_space)

    def tolerance(self, document_id: str) -> float:
        """What counts as rounding in this document."""
        return TOLERANCE[self.specs[document_id].data_type]

    def expect_seen(self, document_id: str, want: list[Color], what: str, tolerance: float = 0) -> None:
        """The whole canvas looks like `want`; 0 means to the bit."""
        width = self.specs[document_id].width
        wrong = difference(self.seen(document_id), want, width, tolerance)
        expect(not wrong, f"{what}: {wrong}")

    def result(
        self,
        document_id: str,
        bounds: Bounds,
        pattern: Pattern,
        *,
        name: str = "result",
        gap: int = 0,
        kind: ResultKind = ResultKind.LAYER,
        context: bytes | None = None,
    ) -> Result:
        """A finished picture for the active document; `gap` bytes lie between its rows."""
        format = self.adapter.canvas().result_format
        spec = self.specs.get(document_id) or next(iter(self.specs.values()))
        pixels = [pattern(x, y) for y in rows(bounds) for x in columns(bounds)]
        tight = encode(pixels, bounds.width, format, spec.color_space)
        row = bounds.width * format.bytes_per_pixel
        data = b"".join(tight[at : at + row] + b"\xa5" * gap for at in range(0, len(tight), row))
        stride = row + gap if gap else 0
        # As from the client: read-only memory that is only lent.
        image = Image(bounds.width, bounds.height, memoryview(data), format, bounds.x, bounds.y, stride)
        if context is None:
            context = self.adapter.host_context(document_id)
        return Result(image, kind, name, document_id, context)

    def result_format(self) -> PixelFormat:
        """That of the active document."""
        return self.adapter.canvas().result_format

    # Jobs.

    def session(self, *, after: threading.Event | None = None, informed: bool = True) -> Session:
        """A session of this adapter with the fake daemon, which is not reached before `after` is set.

        `informed`: it knows the models, as where a panel is shown; else it asks at its first verb.
        """
        self.link  # noqa: B018 - starts it, and tells clients where

        def reach() -> Client:
            if after is not None:
                after.wait(TASK_S)
            return connect(start=False, reconnect_for=0.2)

        made = Session(self.adapter, reach, client=CLIENT)
        self._sessions.append(made)
        if informed and after is None:
            told: list[object] = []
            made.models(told.append)
            self.until(lambda: told, "the answer to a question for the models")
        return made

    def work(self, session: Session, prompt: str = "moss", **settings: Any) -> Task:
        """A verb that this host can do: a fill of the selection, or else a picture for the canvas."""
        chosen = Settings(seed=7, **settings)
        if Capability.SELECTION in self.adapter.capabilities:
            return session.fill(prompt, chosen)
        return session.generate(prompt, chosen)

    def select(self, document_id: str, mask: Image | None) -> None:
        """Selects, where the adapter declares selections; elsewhere jobs cover the canvas anyway."""
        if Capability.SELECTION in self.adapter.capabilities:
            self.rig.select(document_id, mask)

    def until(self, done: Callable[[], object], what: str, seconds: float = TASK_S) -> None:
        """Turns the host's event loop until `done()`."""
        if not self.rig.pump(lambda: bool(done()), seconds):
            said = "; ".join(notice.text for notice in self.watch.notices[-3:])
            raise Failed(
                f"{what} did not happen within {seconds:g} s"
                + (f"; the user was told: {said}" if said else "")
            )

    def idle(self, seconds: float) -> None:
        """Turns the event loop for a while."""
        end = time.monotonic() + seconds
        self.rig.pump(lambda: time.monotonic() >= end, seconds + 5)

    def in_step(self, task: Task) -> None:
        """Until the host has heard of the job's first denoising step."""
        self.until(
            lambda: task.done or (task.update is not None and task.update.progress.step >= 1),
            f"the first step of {task.title!r}",
        )
        if task.done:
            raise Failed(f"the task was to run, and ended as {ending(task)}")

    def end(self, task: Task, *wanted: TaskState) -> None:
        """Until the task is final, in one of the wanted states (none: PLACED)."""
        self.until(lambda: task.done, f"the end of {task.title!r}")
        wanted = wanted or (TaskState.PLACED,)
        names = " or ".join(state.name for state in wanted)
        expect(task.state in wanted, f"the task was to end as {names}, and ended as {ending(task)}")


def ending(task: Task) -> str:
    """A task's state and error for a message."""
    return f"{task.state.name} ({task.error})" if task.error is not None else task.state.name


def rows(bounds: Bounds) -> range:
    """Its y."""
    return range(bounds.y, bounds.bottom)


def columns(bounds: Bounds) -> range:
    """Its x."""
    return range(bounds.x, bounds.right)
