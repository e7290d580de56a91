"""From a request to a placed result, through daemons that stop: what a task's thread does."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from underpaint.errors import DaemonUnreachable, JobCancelled, RequestIdReused, UnderpaintError
from underpaint.host.adapter import Capability, HostAdapter, Notice, Result, ResultKind
from underpaint.host.connection import Connection
from underpaint.host.mainthread import HoldMeter, Latest, MainCall
from underpaint.host.protocol import ClientProtocol, JobHandle
from underpaint.host.snapshot import Asked, Snapshot
from underpaint.host.task import Task, TaskState
from underpaint.provenance import provenance_of, without_words
from underpaint.types import Bounds, Image, JobOrigin, JobUpdate, Preview

T = TypeVar("T")
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Sent:
    """A job that a task waits for, and through which client."""

    client: ClientProtocol
    job: JobHandle


class Follower:
    """Brings jobs to their place. Its methods block, in a task's thread."""

    def __init__(self, adapter: HostAdapter, connection: Connection, meter: HoldMeter) -> None:
        self._adapter = adapter
        self._connection = connection
        self._meter = meter
        self._progress = Latest(adapter.run_on_main)
        self.keep_words = True
        """Whether prompts stay with the pictures that came of them."""

    def make(self, model: str, operation: str, asked: Asked, task: Task) -> TaskState:
        """Submits the job for what was read when it was asked for, and places its result."""
        shot = asked(self._connection.model(model, operation))
        if task.cancel_requested:
            raise JobCancelled("Cancelled before it was sent.")
        return self._place(task, self._submit(task, shot), shot.origin, shot.kind, shot.place)

    def make_all(self, shots: Sequence[Snapshot], task: Task) -> TaskState:
        """Submits a job for each, all of them at once, and places their results together, in order.

        A cancellation ends the job at hand and those after it, and nothing is placed.
        """
        sent: list[_Sent] = []
        results: list[Result] = []
        try:
            for shot in shots:
                if task.cancel_requested:
                    raise JobCancelled("Cancelled before it was sent.")
                sent.append(self._submit(task, shot))
            for one, shot in zip(sent, shots, strict=True):
                results += self._results(task, one, shot.origin, shot.kind, shot.place)
        except UnderpaintError:
            # What belongs together comes together or not at all.
            for one in sent:
                one.job.cancel()
            raise
        self.on_main(partial(self._adapter.write_results, results, task.title), "writing the results")
        for one in sent:
            self._let_go(task, one)
        return TaskState.PLACED

    def finish_known(self, name: str, origin: JobOrigin, task: Task) -> TaskState:
        """Places the result of a job that was submitted in an earlier life."""
        kind = ResultKind.LAYER if origin.document_id else ResultKind.TEXTURE
        client = self._connection.reach()
        return self._place(task, _Sent(client, client.job(name)), origin, kind, None)

    def on_main(self, function: Callable[[], T], what: str) -> T:
        """Runs it on the main thread and waits for its result."""
        call = MainCall(function, what, self._meter)
        self._adapter.run_on_main(call)
        return call.result(self._connection.closing)

    def tell(self, notice: Notice) -> None:
        """Shows it to the user, soon."""
        self._adapter.run_on_main(partial(self._adapter.show_notice, notice))

    def _submit(self, task: Task, shot: Snapshot) -> _Sent:
        request_id = secrets.token_hex(16)
        client = self._connection.reach()
        while True:
            try:
                return _Sent(client, client.submit(shot.request, origin=shot.origin, request_id=request_id))
            except DaemonUnreachable as lost:
                client = self._find_again(task, client, lost, "")
            except RequestIdReused as heard:
                # Only the answer was lost: the pixels of a second try have new names, so it looks different.
                return _Sent(client, client.job(heard.metadata["job"]))

    def _place(
        self, task: Task, sent: _Sent, origin: JobOrigin, kind: ResultKind, place: Bounds | None
    ) -> TaskState:
        for result in self._results(task, sent, origin, kind, place):
            self.on_main(partial(self._adapter.write_result, result), "writing the result")
        self._let_go(task, sent)
        return TaskState.PLACED

    def _results(
        self, task: Task, sent: _Sent, origin: JobOrigin, kind: ResultKind, place: Bounds | None
    ) -> list[Result]:
        """What a job makes, once it is done."""
        task.attach(sent.job.name, sent.job.cancel)
        final = self._wait(task, sent, place)
        for note in final.notes:
            self.tell(Notice(note))
        made = provenance_of(final)
        if made is not None and not self.keep_words:
            made = without_words(made)
        return [
            Result(image, kind, origin.title, origin.document_id, origin.host_context, made)
            for image in self._fetch(task, sent)
        ]

    def _let_go(self, task: Task, sent: _Sent) -> None:
        # Placed: only jobs whose results still wait for a place stay in the daemon's list.
        try:
            self._through(task, sent, lambda job: job.delete())
        except DaemonUnreachable as lost:
            _log.warning("%s is placed, but stays in the daemon's list: %s", sent.job.name, lost)

    def _wait(self, task: Task, sent: _Sent, place: Bounds | None) -> JobUpdate:
        def on_update(update: JobUpdate) -> None:
            task.update = update
            self._progress(partial(self._adapter.show_progress, update))

        previews = Latest(self._adapter.run_on_main)

        def on_preview(preview: Preview) -> None:
            if place is not None:
                document = task.update.origin.document_id if task.update else ""
                previews(partial(self._adapter.show_preview, document, preview, place))

        shown = on_preview if Capability.PREVIEW in self._adapter.capabilities else None
        return self._through(task, sent, lambda job: job.wait(on_update=on_update, on_preview=shown))

    def _fetch(self, task: Task, sent: _Sent) -> list[Image]:
        return self._through(task, sent, lambda job: job.fetch())

    def _through(self, task: Task, sent: _Sent, ask: Callable[[JobHandle], T]) -> T:
        """Asks until a daemon that lives answers: its journal has the job."""
        while True:
            try:
                return ask(sent.job)
            except DaemonUnreachable as lost:
                kept = f"Job {sent.job.name} is kept and goes on when the daemon runs again."
                sent.client = self._find_again(task, sent.client, lost, kept)
                sent.job = sent.client.job(sent.job.name)
                task.attach(sent.job.name, sent.job.cancel)

    def _find_again(
        self, task: Task, client: ClientProtocol, lost: DaemonUnreachable, kept: str
    ) -> ClientProtocol:
        hope = " The job is kept." if kept else ""
        self.tell(Notice(f"The underpaint daemon has stopped; starting it again.{hope}"))
        try:
            return self._connection.reach_again(client, lost, lambda: task.cancel_requested)
        except DaemonUnreachable as still_lost:
            raise DaemonUnreachable(f"{still_lost.message} {kept}".strip()) from still_lost
