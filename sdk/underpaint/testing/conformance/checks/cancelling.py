"""Cancelled at each stage, as the plug-in's own button does it: nothing is placed, nothing is left."""

from __future__ import annotations

import threading

from underpaint.host import Capability, TaskState
from underpaint.testing.conformance.check import check, expect
from underpaint.testing.conformance.checks.jobs import HOLE, PLACED, begin
from underpaint.testing.conformance.patterns import hard_mask
from underpaint.testing.conformance.stage import WIDE, Stage

_END_S = 30.0
_ADVICE = (
    "The panel's button calls Task.cancel() of that very task, and the host's event loop goes on turning. "
    "Take "
    "away what you have shown of it (previews, a busy cursor), and write nothing."
)


@check(
    "cancel-running",
    "Cancelled while it runs, it ends at once: nothing is placed, the picture is as before.",
    advice=_ADVICE,
    rests_on=PLACED,
)
def cancel_running(stage: Stage) -> None:
    """After progress and previews were shown."""
    document = stage.open_painted(canvas=WIDE)
    stage.select(document, hard_mask(HOLE))
    before, steps = stage.seen(document), stage.steps(document)
    stage.link.script(steps=3, hang_at_step=2)
    task = stage.work(stage.session())
    stage.in_step(task)
    if Capability.PREVIEW in stage.adapter.capabilities:
        stage.until(lambda: stage.watch.named("show_preview"), "show_preview")
    stage.rig.cancel(task)
    stage.rig.cancel(task)
    stage.until(lambda: task.done, "the end of a cancelled task (it goes on: cancelling is ignored)", _END_S)
    stage.end(task, TaskState.CANCELLED)
    stage.idle(0.2)
    states = [job["state"] for job in stage.link.jobs()]
    expect(states == ["cancelled"], f"the daemon's job is {states}")
    expect(not stage.watch.named("write_result"), "write_result was called for a cancelled job")
    stage.expect_seen(document, before, "a cancelled task left something in the picture")
    expect(stage.steps(document) == steps, "a cancelled task made an undo step")
    told = [notice.text for notice in stage.watch.notices if notice.problem]
    expect(not told, f"cancelling was reported as a problem: {told}")


@check(
    "cancel-before-sending",
    "Cancelled before it was sent, no job comes to be.",
    advice=_ADVICE,
    rests_on=(*PLACED, "cancel-running"),
)
def cancel_before_sending(stage: Stage) -> None:
    """While the daemon is still being looked for."""
    document = stage.open_painted(canvas=WIDE)
    stage.select(document, hard_mask(HOLE))
    before, steps = stage.seen(document), stage.steps(document)
    there = threading.Event()
    session = stage.session(after=there)
    stage.link.script(steps=3, hang_at_step=2)
    task = stage.work(session)
    stage.rig.cancel(task)
    there.set()
    stage.end(task, TaskState.CANCELLED)
    stage.idle(0.1)
    expect(not stage.link.jobs(), f"the daemon got jobs all the same: {stage.link.jobs()}")
    stage.expect_seen(document, before, "a cancelled task changed the picture")
    expect(stage.steps(document) == steps, "a cancelled task made an undo step")


@check(
    "cancel-queued",
    "Cancelled while it waits behind another job, it ends at once, and the other one goes on.",
    advice=_ADVICE,
    rests_on=(*PLACED, "cancel-running"),
)
def cancel_queued(stage: Stage) -> None:
    """Behind one that hangs."""
    _, session, first = begin(stage)
    second = stage.work(session, "brick")
    stage.until(lambda: second.update is not None, "the second job's first sign")
    stage.rig.cancel(second)
    stage.end(second, TaskState.CANCELLED)
    expect(not first.done, "cancelling one task ended another one")
    stage.link.go_on()
    stage.end(first)
    wrote = stage.watch.named("write_result")
    expect(len(wrote) == 1, f"write_result was called {len(wrote)} times; one job was cancelled, one was not")


@check(
    "cancel-finished",
    "Cancelled when its result is in the document already, nothing changes.",
    advice=_ADVICE,
    rests_on=(*PLACED, "cancel-running"),
)
def cancel_finished(stage: Stage) -> None:
    """Too late."""
    document, _, task = begin(stage)
    stage.link.go_on()
    stage.end(task)
    after = stage.seen(document)
    stage.rig.cancel(task)
    stage.idle(0.2)
    stage.expect_seen(document, after, "a late cancel changed the picture")
    expect(task.state is TaskState.PLACED, f"a late cancel made the task {task.state.name}")
