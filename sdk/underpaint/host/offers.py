"""What a panel shows of a plug-in's verb, why it cannot run now, and how it is started."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from underpaint.errors import PluginFailed, UnderpaintError
from underpaint.hookspecs import ControlSource, Verb
from underpaint.host.adapter import Capability, HostAdapter
from underpaint.host.extensions import DOCUMENT, values_for
from underpaint.host.session import Session
from underpaint.host.task import Task

PROMPT = "prompt"
"""The text for which panels have a field already."""
_IN_A_DOCUMENT = {DOCUMENT, Capability.SELECTION.value, Capability.LAYERS.value}
_log = logging.getLogger(__name__)


def tooltip_of(verb: Verb) -> str:
    """Its description; the title where it has none."""
    # Verbs of another copy of underpaint may be of an older version, without a description.
    return getattr(verb, "description", "") or verb.title


def fields_of(verb: Verb) -> tuple[str, ...]:
    """Texts that it wants beside the prompt."""
    return tuple(name for name in verb.texts if name != PROMPT)


def missing(
    verb: Verb | ControlSource, adapter: HostAdapter, *, selected: Callable[[], bool] | None = None
) -> str:
    """What a verb or a control source needs and the active document lacks, as a sentence; "" if nothing.

    Call it on the main thread; costs what `canvas`, `selection_bounds` and `list_layers` cost. `selected`
    is asked instead of the adapter, where its bounds are dear.
    """
    if not _IN_A_DOCUMENT & verb.needs:
        return ""
    try:
        document = adapter.canvas().document_id
        if Capability.SELECTION.value in verb.needs:
            some = selected() if selected is not None else adapter.selection_bounds(document) is not None
            if not some:
                return "Nothing is selected: select a part of the picture first."
        if Capability.LAYERS.value in verb.needs and not adapter.list_layers(document):
            return "The picture has no layers: add one first."
    except UnderpaintError as refused:
        return refused.message
    return ""


def start_verb(
    session: Session,
    verb: Verb,
    given: Mapping[str, float | str],
    *,
    on_done: Callable[[Task], None] | None = None,
) -> Task:
    """Starts it with what is given and defaults for the rest; call it on the main thread.

    Raises what the verb refuses with; `PluginFailed` for whatever else it raises, and where it starts
    nothing. `on_done` runs after the verb's own.
    """
    values = values_for(verb, **given)
    try:
        task = verb.start(session, values)
    except UnderpaintError:
        raise
    except Exception as fault:
        # Of another copy of underpaint are refusals, too: they have a message for the user.
        _log.exception("verb %s", verb.name)
        message = getattr(fault, "message", "") or f"{verb.title} is broken: {fault!r}"
        raise PluginFailed(str(message), metadata={"plugin": verb.name}) from fault
    if not hasattr(task, "on_done"):
        raise PluginFailed(f"{verb.title} is broken: it started no task.", metadata={"plugin": verb.name})
    if on_done is not None:
        own = task.on_done

        def both(done: Task) -> None:
            if own is not None:
                own(done)
            on_done(done)

        task.on_done = both
    return task
