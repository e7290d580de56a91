# SPDX-License-Identifier: GPL-3.0-or-later
"""What the procedures do when they are called, by a person or by a script."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from gi.repository import Gimp, GLib

import underpaint
from underpaint.errors import HostError, InvalidRequest, UnderpaintError
from underpaint.hookspecs import Verb
from underpaint.host import (
    Session,
    Settings,
    Task,
    TaskState,
    missing,
    role_title,
    start_verb,
    unpack_rows,
    values_for,
)

from . import controls, documents, ownverbs, regions, remembered, verbs
from .adapter import GimpAdapter
from .arguments import LAYER, PICTURE, settings_of, text_of, values_of
from .runner import Runner

Start = Callable[[Callable[[Task], None]], Task]


def fill(procedure: Any, run_mode: Any, image: Any, config: Any) -> Any:
    """*Fill Selection*: returns the new layer."""
    return _paint(procedure, run_mode, image, config, _start_fill)


def generate(procedure: Any, run_mode: Any, image: Any, config: Any) -> Any:
    """*Generate*: returns the new layer."""
    return _paint(procedure, run_mode, image, config, _start_generate)


def own_verb(procedure: Any, run_mode: Any, image: Any, config: Any) -> Any:
    """A verb of underpaint's own, such as *Remove Selection*: returns the new layer, of several the last."""
    return _paint(procedure, run_mode, image, config, _start_own)


def more(procedure: Any, run_mode: Any, image: Any, config: Any) -> Any:
    """*More Verbs*, a verb of a plug-in: returns the new layer, or nothing where the verb makes none."""
    return _paint(procedure, run_mode, image, config, _start_more)


def control_layer(procedure: Any, run_mode: Any, image: Any, config: Any) -> Any:
    """*Make Control Layer*: returns the new layer; the image keeps to that from now on, if it did before."""
    values = _paint(procedure, run_mode, image, config, _start_control)
    if values.index(0) == Gimp.PDBStatusType.SUCCESS:
        controls.take(image, config, values.index(1))
    return values


def results(procedure: Any, run_mode: Any, image: Any, config: Any) -> Any:
    """*Fetch Results*: returns how many pictures came in."""
    session, adapter = _session(image)
    adapter.without_previews()
    document = documents.known_id(image)
    runner = Runner(adapter, session, guarded=False)
    left: set[Task] = set()
    waiting = 0

    def found(jobs: int | UnderpaintError) -> None:
        nonlocal waiting
        if isinstance(jobs, UnderpaintError):
            runner.problems.append(jobs.message)
        elif jobs:
            waiting = jobs
            return
        runner.stop()

    def done(task: Task) -> None:
        left.add(task)
        if len(left) == waiting:
            runner.stop()

    if document:
        runner.wait("fetching results", lambda: session.resume(document, on_found=found, on_done=done))
    session.close()
    if runner.problems:
        return _failure(procedure, Gimp.PDBStatusType.EXECUTION_ERROR, " ".join(runner.problems))
    if not adapter.written and run_mode != Gimp.RunMode.NONINTERACTIVE:
        Gimp.message("No pictures are waiting for this image.")
    return _success(procedure, len(adapter.written))


def _start_fill(session: Session, adapter: GimpAdapter, config: Any) -> Start:
    prompt, settings = text_of(config, "prompt"), _settings(session, adapter, config)
    return lambda on_done: session.fill(prompt, settings, on_done=on_done)


def _start_generate(session: Session, adapter: GimpAdapter, config: Any) -> Start:
    prompt, settings = text_of(config, "prompt"), _settings(session, adapter, config)
    source = config.get_property("source")
    layer = None
    if source == LAYER:
        chosen = config.get_property("source-layer") or next(iter(adapter.image.get_selected_layers()), None)
        if chosen is None:
            raise InvalidRequest("Choose the layer to start from, then try again.")
        adapter.above = chosen
        layer = documents.layer_id(chosen)
    return lambda on_done: session.generate(
        prompt, settings, source_layer=layer, from_picture=source == PICTURE, on_done=on_done
    )


def _start_own(session: Session, adapter: GimpAdapter, config: Any) -> Start:
    verb = ownverbs.own_verbs()[config.get_procedure().get_name()]
    return _start_verb(verb, ownverbs.given_to(verb, config), session, adapter, config)


def _start_more(session: Session, adapter: GimpAdapter, config: Any) -> Start:
    verb, given = verbs.find(text_of(config, "verb"), adapter), values_of(config)
    if "prompt" in verb.texts:
        given["prompt"] = text_of(config, "prompt")
    return _start_verb(verb, given, session, adapter, config)


def _start_verb(
    verb: Verb, given: dict[str, float | str], session: Session, adapter: GimpAdapter, config: Any
) -> Start:
    session.settings = _settings(session, adapter, config)
    if reason := missing(verb, adapter):
        raise HostError(reason)
    values_for(verb, **given)  # refuses here, before anything is started
    return lambda on_done: start_verb(session, verb, given, on_done=on_done)


def _start_control(session: Session, adapter: GimpAdapter, config: Any) -> Start:
    row = controls.layer_row(config, adapter, session)
    (control,) = controls.offers_of(adapter).attach([row])
    title = f"{role_title(row.preprocessor)}: {row.title or row.source}"
    return lambda on_done: session.control_layer(control, title, on_done=on_done)


def _settings(session: Session, adapter: GimpAdapter, config: Any) -> Settings:
    return replace(
        settings_of(config),
        controls=controls.attached(config, adapter, session),
        regions=regions.attached(config, adapter),
    )


def _paint(
    procedure: Any,
    run_mode: Any,
    image: Any,
    config: Any,
    prepare: Callable[[Session, GimpAdapter, Any], Start],
) -> Any:
    session, adapter = _session(image)
    name = procedure.get_name()
    try:
        if run_mode != Gimp.RunMode.NONINTERACTIVE:
            remembered.recall(name, config)
            controls.recall(image, config)
            regions.recall(image, config)
        if run_mode == Gimp.RunMode.INTERACTIVE:
            from . import controldialog, dialog, more

            ask = {
                _start_own: more.ask_for_own,
                _start_more: more.ask,
                _start_control: controldialog.ask,
            }.get(prepare, dialog.ask)
            if not ask(procedure, config, session, adapter):
                return procedure.new_return_values(Gimp.PDBStatusType.CANCEL, None)
            remembered.remember(name, config)
            if prepare is not _start_control:
                controls.remember(image, unpack_rows(text_of(config, "controls")))
                regions.remember(image, config)
        try:
            start = prepare(session, adapter, config)
            adapter.canvas()  # refuses here, before anything is started
            runner = Runner(adapter, session)
            title = procedure.get_menu_label().replace("_", "").rstrip("…")
            task = runner.run(title, start, preview=run_mode == Gimp.RunMode.INTERACTIVE)
        except UnderpaintError as refused:
            return _failure(procedure, Gimp.PDBStatusType.CALLING_ERROR, refused.message)
    finally:
        session.close()
    _tell(runner.notes, name, run_mode)
    if task.state is TaskState.PLACED:
        return _success(procedure, adapter.written[-1] if adapter.written else None)
    if task.state is TaskState.CANCELLED:
        return _failure(procedure, Gimp.PDBStatusType.CANCEL, "The picture was cancelled.")
    return _failure(procedure, Gimp.PDBStatusType.EXECUTION_ERROR, _problem(runner, task))


def _tell(notes: Sequence[str], name: str, run_mode: Any) -> None:
    if run_mode == Gimp.RunMode.NONINTERACTIVE:
        for note in notes:
            Gimp.message(note)
    else:
        # A person would get a box in the middle of the window for each; the next dialog shows them instead.
        remembered.keep_notes(name, notes)


def _session(image: Any) -> tuple[Session, GimpAdapter]:
    _log_to_stderr(os.environ.get("UNDERPAINT_LOG", ""))
    adapter = GimpAdapter(image)
    return Session(adapter, underpaint.connect), adapter


def _log_to_stderr(level: str) -> None:
    """What the plug-in and the client do, in the terminal that GIMP was started from."""
    if level:
        logging.basicConfig(stream=sys.stderr, format="%(name)s: %(message)s")
        for ours in (__package__, underpaint.__name__):
            logging.getLogger(ours).setLevel(level.upper())
        if underpaint.__name__ != "underpaint":
            logging.getLogger(underpaint.__name__.rpartition(".")[0]).setLevel(logging.WARNING)


def _problem(runner: Runner, task: Task) -> str:
    return " ".join(runner.problems) or (task.error.message if task.error else "No picture came back.")


def _success(procedure: Any, value: Any) -> Any:
    values = procedure.new_return_values(Gimp.PDBStatusType.SUCCESS, None)
    values.remove(1)
    values.insert(1, value)
    return values


def _failure(procedure: Any, status: Any, message: str) -> Any:
    return procedure.new_return_values(status, GLib.Error(message))
