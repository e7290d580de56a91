# SPDX-License-Identifier: GPL-3.0-or-later
"""Which documents have jobs on their way: noted in a file, for when Blender ends before they do.

Without a note nothing is asked when a file is opened, and no daemon is started for it.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from pathlib import Path

import bpy

from underpaint.errors import DaemonUnreachable, ShuttingDown
from underpaint.host import Task, TaskState

_FILE = "pending.json"
_MOST = 100
_log = logging.getLogger(__name__)


class Pending:
    """Lives as long as the add-on, on the main thread."""

    def __init__(self) -> None:
        self._at_work: Counter[str] = Counter()
        self._left: set[str] = set()
        """Documents of which a result did not find its place, or waits in a daemon that is gone."""

    def noted(self) -> list[str]:
        """Ids of documents whose jobs have not come to their end, the newest last."""
        try:
            found = json.loads(_place().read_text("utf-8"))
        except (OSError, ValueError):
            return []
        return [str(one) for one in found] if isinstance(found, list) else []

    def begin(self, document_id: str) -> None:
        """A job of this document was asked for. Files that were never saved are not opened again: no note."""
        self._at_work[document_id] += 1
        if bpy.data.filepath:
            _write([*(one for one in self.noted() if one != document_id), document_id])

    def found(self, document_id: str, jobs: int) -> None:
        """So many of its jobs from before were found; they end one by one, as if they had begun here."""
        self._at_work[document_id] += jobs
        if not self._at_work[document_id]:
            self.forget(document_id)

    def end(self, document_id: str, task: Task) -> None:
        """A task is final; the note goes with the last one, unless a result is still to be had."""
        self._at_work[document_id] -= 1
        unreached = isinstance(task.error, (DaemonUnreachable, ShuttingDown)) and bool(task.job_name)
        if task.state is TaskState.KEPT or unreached:
            self._left.add(document_id)
        elif task.state is TaskState.PLACED:
            self._left.discard(document_id)
        if self._at_work[document_id] <= 0 and document_id not in self._left:
            self.forget(document_id)

    def forget(self, document_id: str) -> None:
        """Nothing of this document waits any more."""
        self._left.discard(document_id)
        noted = self.noted()
        if document_id in noted:
            _write([one for one in noted if one != document_id])


def _place() -> Path:
    # The folder that Blender keeps for an extension, also when that is updated.
    return Path(bpy.utils.extension_path_user(__package__, create=True)) / _FILE


def _write(noted: list[str]) -> None:
    try:
        place = _place()
        draft = place.with_suffix(".new")
        draft.write_text(json.dumps(noted[-_MOST:]), "utf-8")
        draft.replace(place)
    except OSError as problem:
        _log.warning(
            "pictures that are not finished when Blender ends will not come by themselves: %s", problem
        )
