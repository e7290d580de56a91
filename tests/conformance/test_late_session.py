"""A session that reads the document once the daemon is there, as ours once did, is caught."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conformance.mutants import MutantRig
from underpaint.host import Session, Settings, Task, TaskState
from underpaint.host.snapshot import Asked
from underpaint.testing.conformance import Status, Suite, stage
from underpaint.testing.conformance.daemon import FakeLink


class LateSession(Session):
    """Reads when the connection stands."""

    def _start(
        self, title: str, settings: Settings, operation: str, read: Callable[[], Asked], on_done: object
    ) -> Task:
        def make(task: Task) -> TaskState:
            self._connection.reach()
            asked = self._follower.on_main(read, "reading")
            return self._follower.make(settings.model, operation, asked, task)

        task = Task(title)
        self._run_thread(task, make)
        return task


def test_reading_when_the_daemon_is_there_is_too_late(
    fake: FakeLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {"late-daemon-switched", "late-daemon-painted", "fill-placed"}
    monkeypatch.setattr(stage, "Session", LateSession)
    with Suite(MutantRig, fake.folder) as suite:
        report = suite.run_all(names)
    failed = {outcome.name: outcome.message for outcome in report.of(Status.FAILED)}
    assert set(failed) == {"late-daemon-switched", "late-daemon-painted"}
    assert "the job is for" in failed["late-daemon-switched"]
    assert "selected was" in failed["late-daemon-painted"]
