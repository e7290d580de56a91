"""A daemon that comes late: what the user does meanwhile changes nothing of what was asked."""

from __future__ import annotations

import threading

from underpaint.host import Capability, Task
from underpaint.testing.conformance.check import check, expect
from underpaint.testing.conformance.checks.jobs import HOLE, PLACED, expect_drawn, placed
from underpaint.testing.conformance.codec import Color, decode
from underpaint.testing.conformance.compare import difference
from underpaint.testing.conformance.patterns import coverage, hard_mask, places
from underpaint.testing.conformance.stage import WIDE, Stage, columns, rows
from underpaint.types import Bounds

_PINK: Color = (1.0, 0.0, 1.0, 1.0)
_ELSEWHERE = Bounds(12, 14, 30, 21)


def _ask(stage: Stage) -> tuple[str, Task, threading.Event]:
    """A document, something selected, a verb called; the connection stands when the event is set."""
    document = stage.open_painted(canvas=WIDE)
    stage.select(document, hard_mask(HOLE))
    stage.before = stage.seen(document)
    stage.link.script(steps=3, hang_at_step=2, drawing=True)
    there = threading.Event()
    return document, stage.work(stage.session(after=there)), there


def _expect_arrived(stage: Stage, task: Task, document: str) -> None:
    """Picture and mask in the daemon are those of the document as it was opened, around `HOLE`."""
    if Capability.SELECTION not in stage.adapter.capabilities:
        return
    picture, mask = stage.link.arrived(task.job_name)
    bounds = picture.bounds
    expect(bounds.contains(HOLE), f"selected was {HOLE} when the verb was called, {bounds} was sent")
    got = decode(picture, stage.specs[document].color_space)
    wrong = difference(got, stage.expected(document, bounds), bounds.width, stage.tolerance(document))
    expect(not wrong, f"the picture is not the one at the call: {wrong}")
    chosen = hard_mask(HOLE)
    want = [coverage(chosen, x, y) for y in rows(bounds) for x in columns(bounds)]
    covered = [round(pixel[0] * 255) for pixel in decode(mask)]
    expect(covered == want, "the mask is not the selection at the call")


@check(
    "late-daemon-switched",
    "The user opens another document while the daemon starts: the verb meant the one that was active when it "
    "was called.",
    advice="Find documents by their id in every method, never by what is active or what canvas() said last; "
    "what a button sets in the adapter before it calls a verb must not be read later.",
    needs=(Capability.MULTIPLE_DOCUMENTS,),
    rests_on=(*PLACED, "two-documents"),
)
def late_daemon_switched(stage: Stage) -> None:
    """With a selection of its own; and the panel looks at it."""
    document, task, there = _ask(stage)
    other = stage.open_painted(lambda x, y: places(x + 3, y + 9), canvas=WIDE, title="another")
    stage.select(other, hard_mask(_ELSEWHERE))
    untouched = stage.seen(other)
    stage.adapter.canvas()
    stage.idle(0.1)
    there.set()
    stage.in_step(task)
    (job,) = stage.link.jobs()
    made_for = job["document_id"]
    expect(made_for == document, f"the verb was called for {document!r}, the job is for {made_for!r}")
    _expect_arrived(stage, task, document)
    stage.link.go_on()
    stage.end(task)
    stage.expect_seen(other, untouched, "the result went into the document that was opened later")
    expect(stage.seen(document) != stage.before, "the result is not seen in the document it was asked for")


@check(
    "late-daemon-painted",
    "The user paints and selects while the daemon starts: the verb meant what was there when it was called.",
    advice="An Image holds a copy of the pixels, no view of memory in which the program goes on painting.",
    needs=(Capability.SELECTION,),
    rests_on=(*PLACED, "fill-arrives"),
)
def late_daemon_painted(stage: Stage) -> None:
    """Across the selection's edge; then something else is selected."""
    document, task, there = _ask(stage)
    stroke = Bounds(HOLE.x - 6, HOLE.y - 4, 14, 9)
    stage.rig.paint(document, stroke, _PINK)
    stage.select(document, hard_mask(_ELSEWHERE))
    stage.idle(0.1)
    there.set()
    stage.in_step(task)
    _expect_arrived(stage, task, document)
    stage.link.go_on()
    stage.end(task)
    before = list(stage.before)
    for y in rows(stroke):
        before[y * WIDE.width + stroke.x : y * WIDE.width + stroke.right] = [_PINK] * stroke.width
    expect_drawn(stage, document, before, hard_mask(HOLE), placed(stage))
