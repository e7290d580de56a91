# SPDX-License-Identifier: GPL-3.0-or-later
"""The one thing behind all dockers and actions: the session, its tasks, and what the painter chose."""

from __future__ import annotations

import enum
import time
from collections.abc import Mapping
from dataclasses import replace

from krita import Document, Krita

from underpaint.errors import DaemonUnreachable, HostError, UnderpaintError
from underpaint.hookspecs import Verb
from underpaint.host import (
    ClientProtocol,
    ControlRow,
    Extensions,
    Notice,
    Session,
    Settings,
    Task,
    TaskState,
    load_extensions,
    missing,
    start_verb,
)
from underpaint.types import Bounds, JobUpdate, ModelInfo, ModelList, Preview

from .adapter import KritaAdapter
from .choices import (
    LAYER,
    PICTURE,
    Choices,
    forget_file,
    load_choices,
    remember_file,
    remembered,
    save_choices,
)
from .controls import Controls
from .documents import READABLE, Place, node_id, walk
from .loras import Loras
from .qt import QtCore
from .regions import Regions

_SAVE_AFTER_MS = 800
_LOOK_AGAIN_MS = 4000


class Link(enum.Enum):
    """Whether the daemon answers."""

    UNKNOWN = "unknown"
    CONNECTING = "connecting"
    READY = "ready"
    LOST = "lost"


def _connect() -> ClientProtocol:
    # In a background thread, at the first call: Krita's start does not wait for the network libraries.
    from underpaint import connect

    return connect()


class Controller(QtCore.QObject):  # type: ignore[misc]  # Qt's classes have no types here
    """Lives as long as the plug-in, on the main thread. Dockers listen to its signals."""

    changed = QtCore.pyqtSignal()
    """Something that a docker shows is different now."""
    models_changed = QtCore.pyqtSignal()
    previewed = QtCore.pyqtSignal(object)
    noticed = QtCore.pyqtSignal(object)
    prompt_wanted = QtCore.pyqtSignal()
    """The painter asked for the docker, to type into it."""

    def __init__(self, parent: object = None) -> None:
        super().__init__(parent)
        self.adapter = KritaAdapter(self)
        self.session: Session | None = None
        self.verb_window: object = None
        """The window for the values of a verb that was opened last."""
        self._extensions: Extensions | None = None
        self.controls = Controls(self.adapter, self, self.extensions, self.changed.emit)
        self.regions = Regions(self.controls, self, self.changed.emit)
        self.loras = Loras(self, self.changed.emit)
        self.choices = load_choices()
        self.models: ModelList | None = None
        self.link = Link.UNKNOWN
        self.link_problem = ""
        self.last: Task | None = None
        self.last_seconds = 0.0
        self.kept: list[tuple[str, str]] = []
        """(title, document id) of results whose document is closed."""
        self._started: dict[int, tuple[float, str]] = {}
        self._orphans: set[str] = set()
        self._saver = QtCore.QTimer(self)
        self._saver.setSingleShot(True)
        self._saver.timeout.connect(self._save)
        self._returner = QtCore.QTimer(self)
        self._returner.setInterval(_LOOK_AGAIN_MS)
        self._returner.timeout.connect(self.reconnect)

    @property
    def tasks(self) -> list[Task]:
        """Tasks at work, oldest first."""
        at_work = self.session.tasks if self.session is not None else ()
        return [task for task in at_work if not task.state.is_final]

    # What the painter does.

    def choose(self, **values: object) -> None:
        """Changes some of the choices; they are kept a moment later."""
        chosen: Choices = replace(self.choices, **values)  # type: ignore[arg-type]  # one field each
        if chosen != self.choices:
            self.choices = chosen
            self._saver.start(_SAVE_AFTER_MS)
            self.changed.emit()

    def fill(self) -> Task | None:
        """Fill selection."""
        if reason := self.why_no_fill():
            self.show_notice(Notice(reason, problem=True))
            return None
        session = self._session()
        if session is None:
            return None
        settings = self._settings(self.choices.fill_strength)
        return self._follow(session.fill(self.choices.prompt, settings, on_done=self._done))

    def generate(self, source: str | None = None) -> Task | None:
        """Generate, from `source` or from what is chosen."""
        if reason := self.why_no_generate(source):
            self.show_notice(Notice(reason, problem=True))
            return None
        session = self._session()
        if session is None:
            return None
        chosen, source = self.choices, source or self.choices.source
        from_image = source in (PICTURE, LAYER)
        task = session.generate(
            chosen.prompt,
            self._settings(chosen.image_strength if from_image else None),
            source_layer=chosen.layer if source == LAYER else None,
            from_picture=source == PICTURE,
            on_done=self._done,
        )
        return self._follow(task)

    def run_verb(self, verb: Verb, values: Mapping[str, float | str]) -> Task | None:
        """A verb of a plug-in, with these values; the prompt is the docker's."""
        session = self._session()
        if session is None:
            return None
        try:
            if reason := self.why_no_verb(verb):
                raise HostError(reason)
            session.settings = self._settings()
            prompt = {"prompt": self.choices.prompt} if "prompt" in verb.texts else {}
            task = start_verb(session, verb, {**prompt, **values}, on_done=self._done)
        except UnderpaintError as refused:
            self.show_notice(Notice(refused.message, problem=True))
            return None
        return self._follow(task)

    def make_control_layer(self, row: ControlRow) -> Task | None:
        """Puts a control's image on a layer, to be edited."""
        session = self._session()
        if session is None:
            return None
        try:
            return self._follow(self.controls.make_layer(session, row, self._done))
        except UnderpaintError as refused:
            self.show_notice(Notice(refused.message, problem=True))
            return None

    def cancel(self) -> None:
        """Stops the job that is shown."""
        for task in self.tasks[:1]:
            task.cancel()
            self.changed.emit()

    def reconnect(self) -> None:
        """Asks for the daemon and its models; starts the daemon where there is none."""
        session = self._session()
        if session is not None and self.link is not Link.CONNECTING:
            self.link, self.link_problem = Link.CONNECTING, ""
            self.changed.emit()
            session.models(self._on_models)
            self.controls.ask(session)
            self.loras.ask(session)

    def place_kept(self) -> None:
        """Brings results whose document is closed into the active one."""
        document, session = Krita.instance().activeDocument(), self._session()
        if document is None or session is None:
            return
        kept, self.kept = self.kept, []
        for _, document_id in kept:
            self.adapter.documents.adopt(document_id, document)
        for document_id in dict.fromkeys(one[1] for one in kept):
            session.resume(document_id, on_done=self._done)
        self.changed.emit()

    # What can be done now, and why not.

    def why_no_fill(self) -> str:
        """What Fill selection lacks; "" if it can run."""
        document = Krita.instance().activeDocument()
        if document is None:
            return "Create or open a picture first."
        if document.selection() is None:
            return "Select the part to fill first."
        return self._why_not("inpaint")

    def why_no_generate(self, source: str | None = None) -> str:
        """What Generate lacks; "" if it can run."""
        if Krita.instance().activeDocument() is None:
            return "Create or open a picture first."
        source = source or self.choices.source
        if source == LAYER and self.choices.layer not in dict(self.layer_names()):
            return "Choose the layer to start from."
        operation = "txt2img" if source not in (PICTURE, LAYER) else "img2img"
        return self._why_not(operation)

    def verbs(self) -> list[Verb]:
        """Verbs of plug-ins, in order of title."""
        return self.extensions().verbs_for(self.adapter)

    def extensions(self) -> Extensions:
        """What plug-ins bring; looked for at the first call."""
        if self._extensions is None:
            self._extensions = load_extensions()
        return self._extensions

    def left_out(self) -> list[str]:
        """Plug-ins that could not be loaded, and why: a sentence each."""
        infos = self._extensions.infos() if self._extensions is not None else []
        return [f"{one.name} is left out: {one.problem.splitlines()[-1]}" for one in infos if one.problem]

    def why_no_verb(self, verb: Verb) -> str:
        """What a verb of a plug-in lacks; "" if it can run."""
        return missing(verb, self.adapter)

    def layer_names(self) -> list[tuple[str, str]]:
        """(unique id, indented name) of each layer that can be a source, from top to bottom."""
        document = Krita.instance().activeDocument()
        root = document.rootNode() if document is not None else None
        if root is None:
            return []
        nodes = [(depth, node) for depth, node in walk(root) if node.type() in READABLE]
        return [(node_id(node), "    " * depth + node.name()) for depth, node in nodes]

    def model(self, operation: str = "") -> ModelInfo | None:
        """The model that would be used, as far as it is known."""
        if self.models is None:
            return None
        inpaint = operation == "inpaint"
        default = self.models.default_inpaint_model if inpaint else self.models.default_model
        return self.models.get(self.choices.model or default)

    def _why_not(self, operation: str) -> str:
        """What model, controls, regions or LoRAs lack for an operation; "" if nothing."""
        parts = (self._why_no_model, self.controls.problem, self.regions.problem, self.loras.problem)
        return next(filter(None, (problem(operation) for problem in parts)), "")

    def _why_no_model(self, operation: str) -> str:
        if self.models is None:
            return ""  # not known yet: the job itself will tell
        if not self.models.models:
            return "No model is installed: run “underpaint models list” to see where models go."
        model = self.model(operation)
        if model is None:
            return f"None of the models can do this ({operation})." if not self.choices.model else ""
        if model.problem:
            return f"{model.title or model.name} cannot be used: {model.problem}"
        if model.operations and operation not in model.operations:
            return f"{model.title or model.name} cannot do this ({operation}): choose another model."
        return ""

    # What the session and the adapter tell.

    def show_progress(self, update: JobUpdate) -> None:
        """A job went on; its task has the update."""
        self.changed.emit()

    def show_preview(self, document_id: str, preview: Preview, bounds: Bounds) -> None:
        """A rough picture of a job."""
        self.previewed.emit(preview)

    def show_notice(self, notice: Notice) -> None:
        """Something to tell."""
        self.noticed.emit(notice)

    def on_opened(self, document: Document) -> None:
        """Looks for jobs of this file from before Krita was closed."""
        ids = remembered(document.fileName(), self.adapter.documents.id_of(document))
        session = self._session() if ids else None
        if session is not None:
            for document_id in ids:
                session.resume(document_id, on_done=self._done)

    def close(self) -> None:
        """Krita ends; jobs go on in the daemon."""
        self._save()
        self._returner.stop()
        if self.session is not None:
            self.session.close()

    def _session(self) -> Session | None:
        if self.session is None:
            try:
                self.session = Session(self.adapter, _connect)
            except (UnderpaintError, OSError) as error:
                self.link, self.link_problem = Link.LOST, str(error)
                self.show_notice(Notice(str(error), problem=True))
                self.changed.emit()
        return self.session

    def _settings(self, strength_percent: int | None = None) -> Settings:
        """What is chosen, and what is attached to the picture."""
        return replace(
            self.choices.settings(strength_percent),
            controls=self.controls.attached(),
            regions=self.regions.attached(),
        )

    def _follow(self, task: Task) -> Task:
        self._save()
        document = Krita.instance().activeDocument()
        document_id = self.adapter.documents.id_of(document) if document is not None else ""
        self._started[id(task)] = (time.monotonic(), document_id)
        if document is not None:
            remember_file(document.fileName(), document_id)
        self.changed.emit()
        return task

    def _done(self, task: Task) -> None:
        now = time.monotonic()
        started, document_id = self._started.pop(id(task), (now, ""))
        self.last, self.last_seconds = task, now - started
        origin = task.update.origin if task.update is not None else None
        if isinstance(task.error, DaemonUnreachable):
            self.link, self.link_problem = Link.LOST, task.error.message
            if document_id and task.job_name:  # it goes on when the daemon is back, and we look for it then
                self._orphans.add(document_id)
                self._returner.start()
        elif origin is not None and task.state is TaskState.KEPT:
            self.kept.append((task.title, origin.document_id))
        elif origin is not None:
            forget_file(Place.unpack(origin.host_context).file, origin.document_id)
        if task.state is TaskState.PLACED and self.link is not Link.READY:
            self.reconnect()
        self.changed.emit()

    def _on_models(self, found: ModelList | UnderpaintError) -> None:
        if isinstance(found, UnderpaintError):
            self.link, self.link_problem = Link.LOST, found.message
        else:
            self.link, self.link_problem, self.models = Link.READY, "", found
            self.models_changed.emit()
            self._returner.stop()
            orphans, self._orphans = self._orphans, set()
            for document_id in orphans:
                if self.session is not None:
                    self.session.resume(document_id, on_done=self._done)
        self.changed.emit()

    def _save(self) -> None:
        self._saver.stop()
        save_choices(self.choices)
