"""The user of examples/03_ora_watcher.py: its documents are those of the reference host."""

from __future__ import annotations

from tests.examples.loading import load
from underpaint.testing.reference.rig import ReferenceRig


class OraRig(ReferenceRig):
    """The watcher between two looks."""

    def __init__(self) -> None:
        super().__init__()
        self.host = self.adapter = load("03_ora_watcher").OraWatcher()

    def restart(self) -> None:
        """A new watcher, with the same documents open."""
        documents, active = self.host.documents, self.host.active
        self.host = self.adapter = load("03_ora_watcher").OraWatcher()
        for document in documents.values():
            self.host.open(document)
        self.host.active = active
