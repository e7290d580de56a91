"""The verbs, written once for all hosts.

A verb is called on the host's main thread, reads there what it is asked for (which document, what is
selected, the pixels), and returns a `Task`. A background thread then talks to the daemon, which may have to
be started first; results are written on the main thread through `HostAdapter.run_on_main`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from underpaint.errors import InternalError, JobCancelled, PlaceGone, UnderpaintError
from underpaint.host import snapshot
from underpaint.host.adapter import HostAdapter, Notice
from underpaint.host.connection import Connection
from underpaint.host.control_layers import control_image
from underpaint.host.controls import AttachedControl
from underpaint.host.enlarging import read_upscale
from underpaint.host.following import Follower
from underpaint.host.identity import client_id
from underpaint.host.mainthread import HoldMeter
from underpaint.host.margins import Margins
from underpaint.host.materials import read_maps
from underpaint.host.protocol import ClientProtocol
from underpaint.host.settings import Settings, title_of
from underpaint.host.snapshot import Asked, Snapshot
from underpaint.host.task import Task, TaskState
from underpaint.types import JobState, LoraInfo, ModelList, PixelFormat, PreprocessorInfo

OnDone = Callable[[Task], None]
T = TypeVar("T")

_log = logging.getLogger(__name__)


class Session:
    """One adapter's connection to the daemon, and its tasks.

    `connect` finds or starts the daemon (`underpaint.connect`); it is called in a background thread, at
    the first verb, and again when the daemon was lost.
    """

    def __init__(
        self, adapter: HostAdapter, connect: Callable[[], ClientProtocol], *, client: str | None = None
    ) -> None:
        self.adapter = adapter
        self.meter = HoldMeter()
        self.client_id = client or client_id(adapter.name)
        self.settings = Settings()
        """What is chosen in the panel now, for verbs of plug-ins to begin with; `strength` is theirs."""
        self.map_formats: Mapping[str, PixelFormat] = {}
        """For `maps`, where it is not told: a host without layers says how its pictures of numbers lie."""
        self._connection = Connection(connect)
        self._follower = Follower(adapter, self._connection, self.meter)
        self._tasks: list[Task] = []

    @property
    def keep_words(self) -> bool:
        """Whether prompts stay with the pictures that came of them, in documents and files; True at first."""
        return self._follower.keep_words

    @keep_words.setter
    def keep_words(self, keep: bool) -> None:
        self._follower.keep_words = keep

    # Verbs: call them on the main thread.

    def fill(
        self,
        prompt: str,
        settings: Settings | None = None,
        *,
        verb: str = "Fill",
        on_done: OnDone | None = None,
    ) -> Task:
        """Paints the selection anew so that it fits the picture around it. Without words, `verb` names it."""
        settings = settings or Settings()

        def read() -> Asked:
            known = self._connection.known_model(settings.model, "inpaint")
            return snapshot.fill(self.adapter, prompt, settings, known, self.client_id, verb)

        return self._start(title_of(prompt, verb), settings, "inpaint", read, on_done)

    def generate(
        self,
        prompt: str,
        settings: Settings | None = None,
        *,
        source_layer: str | None = None,
        from_picture: bool = False,
        edit: bool = False,
        verb: str = "Generate",
        on_done: OnDone | None = None,
    ) -> Task:
        """A picture for the canvas: from words, from the layer `source_layer`, or from what is visible.

        `edit`: `prompt` is an instruction that says what to change in that layer, or else in what is visible.
        Without words, `verb` names the layer.
        """
        settings = settings or Settings()
        from_picture = from_picture or edit
        operation = "img2img" if source_layer is not None or from_picture else "txt2img"
        operation = "edit" if edit else operation

        def read() -> Asked:
            return snapshot.generate(
                self.adapter,
                prompt,
                settings,
                self._connection.known_model(settings.model, operation),
                self.client_id,
                source_layer=source_layer,
                from_picture=from_picture,
                edit=edit,
                verb=verb,
            )

        return self._start(title_of(prompt, verb), settings, operation, read, on_done)

    def expand(
        self,
        prompt: str,
        margins: Margins,
        settings: Settings | None = None,
        *,
        on_done: OnDone | None = None,
    ) -> Task:
        """Goes on with the picture beyond the canvas: a layer that hangs over it by `margins`.

        A host without layers gets a larger picture of its own, see `ResultKind.EXPANDED`.
        """
        settings = settings or Settings()

        def read() -> Asked:
            known = self._connection.known_model(settings.model, "inpaint")
            return snapshot.expand(self.adapter, prompt, settings, known, self.client_id, margins)

        return self._start(title_of(prompt, "Expand"), settings, "inpaint", read, on_done)

    def texture(
        self,
        prompt: str,
        settings: Settings | None = None,
        *,
        width: int | None = None,
        height: int | None = None,
        result_format: PixelFormat | None = None,
        on_done: OnDone | None = None,
    ) -> Task:
        """A picture of its own; `settings.tiling` makes it seamless. Needs no open document."""
        settings = settings or Settings()

        def read() -> Asked:
            return snapshot.texture(
                self.adapter,
                prompt,
                settings,
                self._connection.known_model(settings.model, "txt2img"),
                self.client_id,
                width=width,
                height=height,
                result_format=result_format or PixelFormat(),
            )

        return self._start(title_of(prompt, "Texture"), settings, "txt2img", read, on_done)

    def maps(
        self,
        settings: Settings | None = None,
        *,
        parameters: Mapping[str, float] | None = None,
        source_layer: str | None = None,
        formats: Mapping[str, PixelFormat] | None = None,
        on_done: OnDone | None = None,
    ) -> Task:
        """Height, normals, roughness and ambient occlusion of what is visible, or of one layer.

        No model takes part; of `settings` only `tiling` counts. `parameters` are those of the preprocessors
        (`underpaint preprocess --list`), each for those that have one of its name. Each map becomes a layer;
        where a host has none, a picture of its own, in the layout that `formats` (None: `map_formats`) says
        for its preprocessor.
        """
        tiling = (settings or Settings()).tiling

        def read() -> list[Snapshot]:
            values = parameters or {}
            return read_maps(
                self.adapter,
                values,
                tiling,
                self.client_id,
                source_layer=source_layer,
                formats=self.map_formats if formats is None else formats,
            )

        return self._begin("Material maps", read, partial(partial, self._follower.make_all), on_done)

    def control_layer(
        self, control: AttachedControl, title: str = "", *, on_done: OnDone | None = None
    ) -> Task:
        """The image that a control's preprocessor makes, as a layer of its own to look at and to edit.

        Attach that layer without a preprocessor then. A host without layers gets it as a picture of its own.
        `title` names the layer. No model works on it.
        """
        title = title or title_of(control.role.replace("-", " ").capitalize(), "Control")

        def read() -> list[Snapshot]:
            return [control_image(self.adapter, control, title, self.client_id)]

        return self._begin(title, read, partial(partial, self._follower.make_all), on_done)

    def upscale(
        self,
        prompt: str = "",
        settings: Settings | None = None,
        *,
        factor: float | None = None,
        width: int | None = None,
        height: int | None = None,
        upscaler: str = "",
        source_layer: str | None = None,
        on_done: OnDone | None = None,
    ) -> Task:
        """A larger picture of what is visible, or of one layer: a picture of its own.

        `factor` (None: 4.0) or a size in pixels, and an `upscaler` by name: see `UpscaleRequest`, whose other
        values come from `settings`; its `strength` is how much denoising changes, 0.0 leaves it out.
        """
        settings = settings or Settings()

        def read() -> list[Snapshot]:
            return [
                read_upscale(
                    self.adapter,
                    prompt,
                    settings,
                    self.client_id,
                    factor=factor,
                    width=width,
                    height=height,
                    upscaler=upscaler,
                    source_layer=source_layer,
                )
            ]

        return self._begin("Upscale", read, partial(partial, self._follower.make_all), on_done)

    def resume(
        self,
        document_id: str,
        *,
        on_found: Callable[[int | UnderpaintError], None] | None = None,
        on_done: OnDone | None = None,
    ) -> None:
        """Looks for jobs of this document from before a restart; their results are placed as they finish.

        Returns at once. Call it when a document was opened. `on_found` gets the number of these jobs, or why
        nobody could look, on the main thread; `on_done` runs for each.
        """

        def look() -> None:
            found: int | UnderpaintError
            try:
                jobs = self._connection.reach().jobs(client_id=self.client_id, document_id=document_id)
            except UnderpaintError as error:
                # No daemon, no jobs: nothing to tell anybody who did not ask.
                jobs, found = (), error
            else:
                known = {task.job_name for task in self.tasks}
                lost = (JobState.FAILED, JobState.CANCELLED)
                jobs = [job for job in jobs if job.name not in known and job.state not in lost]
                found = len(jobs)
            if on_found is not None:
                self.adapter.run_on_main(partial(on_found, found))
            for job in jobs:
                finish = partial(self._follower.finish_known, job.name, job.origin)
                self._run_thread(Task(job.origin.title, on_done), finish)

        threading.Thread(target=look, name="underpaint-resume", daemon=True).start()

    def models(self, on_models: Callable[[ModelList | UnderpaintError], None]) -> None:
        """Asks for the models; `on_models` gets them, or the error, on the main thread. Returns at once."""

        def ask() -> None:
            try:
                found: ModelList | UnderpaintError = self._connection.list_models(fresh=True)
            except UnderpaintError as error:
                found = error
            self.adapter.run_on_main(partial(on_models, found))

        threading.Thread(target=ask, name="underpaint-models", daemon=True).start()

    def preprocessors(
        self, on_preprocessors: Callable[[Sequence[PreprocessorInfo] | UnderpaintError], None]
    ) -> None:
        """Asks for what makes control images, for `control_offers`; as `models` does."""
        self._ask("preprocessors", lambda client: client.preprocessors(), on_preprocessors)

    def loras(self, on_loras: Callable[[Sequence[LoraInfo] | UnderpaintError], None]) -> None:
        """Asks for the LoRAs, for `loras_for`; as `models` does."""
        self._ask("loras", lambda client: client.loras(), on_loras)

    def _ask(
        self,
        name: str,
        ask: Callable[[ClientProtocol], T],
        on_answer: Callable[[T | UnderpaintError], None],
    ) -> None:
        def work() -> None:
            try:
                found: T | UnderpaintError = ask(self._connection.reach())
            except UnderpaintError as error:
                found = error
            self.adapter.run_on_main(partial(on_answer, found))

        threading.Thread(target=work, name=f"underpaint-{name}", daemon=True).start()

    @property
    def tasks(self) -> tuple[Task, ...]:
        """Tasks that are not final yet, oldest first."""
        return tuple(task for task in self._tasks if not task.done)

    def close(self) -> None:
        """Lets go: jobs go on in the daemon and are found again by `resume`. Call it on the main thread."""
        self._connection.close()

    def _start(
        self,
        title: str,
        settings: Settings,
        operation: str,
        read: Callable[[], Asked],
        on_done: OnDone | None,
    ) -> Task:
        make = partial(partial, self._follower.make, settings.model, operation)
        return self._begin(title, read, make, on_done)

    def _begin(
        self,
        title: str,
        read: Callable[[], T],
        follow: Callable[[T], Callable[[Task], TaskState]],
        on_done: OnDone | None,
    ) -> Task:
        task = Task(title, on_done)
        try:
            with self.meter.hold(f"reading the document for {title!r}"):
                found = read()
        except Exception as error:  # noqa: BLE001 - the task says it, on the main thread, like any later error
            self._run_thread(task, partial(_refuse, error))
        else:
            self._run_thread(task, follow(found))
        return task

    # Background threads from here on.

    def _run_thread(self, task: Task, work: Callable[[Task], TaskState]) -> None:
        self._tasks = [*self.tasks, task]
        name = f"underpaint-task-{task.title[:16]}"
        threading.Thread(target=self._run, args=(task, work), name=name, daemon=True).start()

    def _run(self, task: Task, work: Callable[[Task], TaskState]) -> None:
        error: UnderpaintError | None = None
        try:
            state = work(task)
        except JobCancelled as cancelled:
            state, error = TaskState.CANCELLED, cancelled
        except PlaceGone as gone:
            state, error = TaskState.KEPT, gone
            kept = f"{gone.message} The result is kept: underpaint jobs list shows {task.job_name}."
            self._follower.tell(Notice(kept, problem=True))
        except UnderpaintError as problem:
            state, error = TaskState.FAILED, problem
            if not self._connection.closing.is_set():
                self._follower.tell(Notice(problem.message, problem=True))
        except Exception as bug:  # noqa: BLE001 - a fault of ours must not leave the panel busy for ever
            _log.exception("task %r failed", task.title)
            state, error = TaskState.FAILED, InternalError(f"A fault inside underpaint: {bug!r}")
            self._follower.tell(Notice(error.message, problem=True))
        self.adapter.run_on_main(partial(task.finish, state, error))


def _refuse(error: Exception, task: Task) -> TaskState:
    raise error
