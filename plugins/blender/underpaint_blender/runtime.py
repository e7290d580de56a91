# SPDX-License-Identifier: GPL-3.0-or-later
"""The one session of this Blender, and the timer that runs its main-thread work.

Everything bpy happens on the main thread: background threads post to a queue, and one timer function
empties it. The timer runs only while there is work, since a registered timer can hang Blender's exit.
"""

from __future__ import annotations

from functools import partial

import bpy

import underpaint
from underpaint.errors import UnderpaintError
from underpaint.host import Extensions, Session, Task, load_extensions

from . import thumbnail
from .adapter import BlenderAdapter
from .pending import Pending
from .pixels import MAP_FORMATS

INTERVAL_S = 0.03

_session: Session | None = None
_adapter: BlenderAdapter | None = None
_extensions: Extensions | None = None
_questions = 0
_pending = Pending()


def adapter() -> BlenderAdapter:
    """The adapter of the session."""
    session()
    assert _adapter is not None
    return _adapter


def session() -> Session:
    """The session, made at first use."""
    global _session, _adapter
    if _session is None:
        _adapter = BlenderAdapter()
        _adapter.changed = redraw
        _session = Session(_adapter, underpaint.connect)
        _session.map_formats = MAP_FORMATS
    return _session


def extensions() -> Extensions:
    """What plug-ins bring; looked for at the first call."""
    global _extensions
    if _extensions is None:
        _extensions = load_extensions()
    return _extensions


def pump() -> int:
    """Runs what waits for the main thread; for scripts and tests, where timers do not fire."""
    return adapter().queue.pump()


def wait(task: Task, timeout: float | None = None) -> bool:
    """Runs main-thread work until `task` is final; for scripts without a window."""
    return adapter().queue.pump_until(lambda: task.done, timeout)


def watch() -> None:
    """Makes sure that the timer runs; it ends by itself when nothing is left to do."""
    if not bpy.app.background and not bpy.app.timers.is_registered(_tick):
        # Persistent: opening another file would take it away, and what runs would never end.
        bpy.app.timers.register(_tick, first_interval=INTERVAL_S, persistent=True)


def _tick() -> float | None:
    if _session is None:
        return None
    idle = not pump() and not _session.tasks and not _questions
    return None if idle else INTERVAL_S


def expect_answer(change: int) -> None:
    """Counts questions under way, so that the timer stays for their answers."""
    global _questions
    _questions += change
    if change > 0:
        watch()


def redraw() -> None:
    """Shows news in every panel."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "IMAGE_EDITOR":
                area.tag_redraw()


def follow(task: Task, document_id: str) -> None:
    """Keeps in mind what a task is for ("" for a texture); call it in the turn that started the task."""
    if document_id:
        _pending.begin(document_id)
    own = task.on_done  # that of a verb of a plug-in

    def ended(done: Task) -> None:
        if own is not None:
            own(done)
        _on_done(document_id, done)

    task.on_done = ended


def resume() -> None:
    """Looks for jobs of this file's images from before it was opened, where one was noted."""
    noted = _pending.noted()
    if not noted or bpy.app.background or not bpy.app.online_access:
        return
    open_now = {adapter().documents.id_of(image) for image in bpy.data.images}
    for document_id in (one for one in noted if one in open_now):
        expect_answer(1)
        session().resume(
            document_id, on_found=partial(_on_found, document_id), on_done=partial(_on_done, document_id)
        )


def _on_found(document_id: str, found: int | UnderpaintError) -> None:
    expect_answer(-1)
    if isinstance(found, int):  # else it stays noted, for the next time that the file is opened
        _pending.found(document_id, found)


def _on_done(document_id: str, task: Task) -> None:
    if document_id:
        _pending.end(document_id, task)
    adapter().update = None
    thumbnail.clear()
    redraw()


@bpy.app.handlers.persistent
def _on_load(*_: object) -> None:
    if _adapter is not None:
        _adapter.documents.forget()
    resume()


def register() -> None:
    """Starts nothing: the daemon is looked for at the first verb."""
    bpy.app.handlers.load_post.append(_on_load)


def unregister() -> None:
    """Lets the session go; jobs stay in the daemon."""
    global _session, _adapter, _extensions
    bpy.app.handlers.load_post.remove(_on_load)
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    if _session is not None:
        _session.close()
    _session = _adapter = _extensions = None
