"""What happens while a job runs: the daemon goes, the program ends, the document changes under it."""

from __future__ import annotations

from underpaint.errors import DaemonUnreachable, InternalError
from underpaint.host import Capability, Task, TaskState
from underpaint.testing.conformance.check import check, expect
from underpaint.testing.conformance.checks.jobs import HOLE, PLACED, begin, expect_drawn, placed
from underpaint.testing.conformance.codec import Color, converted
from underpaint.testing.conformance.compare import difference
from underpaint.testing.conformance.patterns import drawing, flat, hard_mask, places
from underpaint.testing.conformance.rig import LayerSpec
from underpaint.testing.conformance.stage import WIDE, Stage, columns, ending, rows
from underpaint.testing.conformance.watch import Watch
from underpaint.types import Bounds

_PINK = (1.0, 0.0, 1.0, 1.0)


def _expect_placed(stage: Stage, document: str, before: list[Color], slack: float = 0.0) -> None:
    if Capability.SELECTION in stage.adapter.capabilities:
        expect_drawn(stage, document, before, hard_mask(HOLE), placed(stage), slack)
    else:
        expect(stage.seen(document) != before, "the result is not seen")


@check(
    "daemon-missing",
    "Without a daemon a verb fails with a sentence for the user; with one, the same session works.",
    advice="Show the notice; keep the session, it connects again at the next verb.",
    rests_on=PLACED,
)
def daemon_missing(stage: Stage) -> None:
    """Gone before the verb, there for the next."""
    document = stage.open_painted(canvas=WIDE)
    stage.select(document, hard_mask(HOLE))
    session = stage.session(informed=False)
    stage.link.vanish()
    task = stage.work(session)
    stage.end(task, TaskState.FAILED)
    expect(isinstance(task.error, DaemonUnreachable), f"the task ended as {ending(task)}")
    expect([notice for notice in stage.watch.notices if notice.problem], "the user was not told")
    stage.link.come_back()
    stage.end(stage.work(session))


@check(
    "daemon-lost",
    "The daemon goes while a job runs and comes back: the job goes on, and its result is placed.",
    advice="Let the host's event loop turn meanwhile, and do not end the session.",
    rests_on=PLACED,
)
def daemon_lost(stage: Stage) -> None:
    """Away for a moment."""
    document, _, task = begin(stage)
    before = stage.before
    stage.link.vanish()
    stage.idle(0.3)
    stage.link.script(steps=2, drawing=True)
    stage.link.come_back()
    stage.end(task)
    _expect_placed(stage, document, before)


@check(
    "host-restarted",
    "The program ends while a job runs; after its next start the job is found, and its result placed.",
    advice="document_id must be the same after a restart (a path, or an id that the file keeps), and all "
    "that "
    "write_result needs must be in host_context: what only the adapter object knew is gone.",
    rests_on=PLACED,
)
def host_restarted(stage: Stage) -> None:
    """A new adapter, a new session, the same document."""
    document, session, task = begin(stage)
    session.close()
    stage.until(lambda: task.done, "the end of a task whose session was closed")
    stage.rig.restart()
    stage.watch = Watch(stage.adapter)
    found = stage.adapter.canvas().document_id
    expect(found == document, f"the document was {document!r} before the restart and is {found!r} now")
    before = stage.before
    again, done = stage.session(), list[Task]()
    again.resume(document, on_done=done.append)
    stage.link.go_on()
    stage.until(lambda: done, "the end of the job that was found again")
    expect(done[0].state is TaskState.PLACED, f"the job that was found again ended as {ending(done[0])}")
    _expect_placed(stage, document, before)


@check(
    "document-painted",
    "What the user paints while a job runs is still there when the result has come.",
    advice="Lay the result over the picture as it is now; never put back pixels that were read at the start.",
    rests_on=PLACED,
)
def document_painted(stage: Stage) -> None:
    """Inside of what was read, outside of what was selected."""
    document, _, task = begin(stage)
    stroke = Bounds(HOLE.x - 20, HOLE.y - 4, 12, 9)
    stage.rig.paint(document, stroke, _PINK)
    before = list(stage.before)
    for y in rows(stroke):
        before[y * WIDE.width + stroke.x : y * WIDE.width + stroke.right] = [_PINK] * stroke.width
    stage.link.go_on()
    stage.end(task)
    if Capability.SELECTION in stage.adapter.capabilities:
        _expect_placed(stage, document, before)


@check(
    "document-cropped",
    "After a crop the result is placed in canvas coordinates, or kept: the canvas stays as it was cropped.",
    advice="Place the result at Image.x, Image.y of the canvas as it is now, hanging over where it must; "
    "raise "
    "PlaceGone if nothing of it is left on the canvas.",
    rests_on=(*PLACED, "result-over-edge"),
)
def document_cropped(stage: Stage) -> None:
    """To a corner that holds a part of it."""
    document, _, task = begin(stage)
    size = (WIDE.width - 30, WIDE.height - 24)
    stage.rig.crop(document, Bounds(12, 10, *size))
    canvas = stage.adapter.canvas()
    expect(
        (canvas.width, canvas.height) == size, f"after the crop canvas() says {canvas.width}x{canvas.height}"
    )
    stage.link.go_on()
    stage.end(task, TaskState.PLACED, TaskState.KEPT)
    canvas = stage.adapter.canvas()
    expect((canvas.width, canvas.height) == size, "the result made the cropped canvas grow again")
    if task.state is TaskState.KEPT or Capability.SELECTION not in stage.adapter.capabilities:
        return
    got = stage.seen(document, canvas.bounds)
    place = placed(stage)
    for dx, dy in ((0, 0), (12, 10)):
        middle = (HOLE.x + 4 - dx, HOLE.y + 3 - dy)
        seen = got[middle[1] * canvas.width + middle[0]]
        color = _drawn_at(stage, HOLE.x + 4 - place.x, HOLE.y + 3 - place.y)
        if not difference([seen], [color], 1, max(stage.tolerance(document), 1.2 / 255)):
            return
    expect(
        False, "after a crop the result is neither at its canvas coordinates nor over what it was made for"
    )


def _drawn_at(stage: Stage, x: int, y: int) -> Color:
    spec = next(iter(stage.specs.values()))
    return converted(drawing(x, y), stage.result_format().color_space, spec.color_space)


@check(
    "document-closed",
    "The document is closed while a job runs: the result is kept with its job, and no other document "
    "changes.",
    advice="Raise PlaceGone from write_result when the document is not open; the user is told how to get it.",
    needs=(Capability.MULTIPLE_DOCUMENTS,),
    rests_on=(*PLACED, "place-gone"),
)
def document_closed(stage: Stage) -> None:
    """Another one stays open."""
    other = stage.open_painted(lambda x, y: places(x + 3, y + 9), canvas=WIDE, title="another")
    untouched = stage.seen(other)
    document, _, task = begin(stage)
    stage.rig.close(document)
    stage.link.go_on()
    stage.end(task, TaskState.KEPT)
    told = [notice.text for notice in stage.watch.notices if notice.problem]
    expect(told and task.job_name in told[-1], f"the user was not told where the result is: {told}")
    states = [job["state"] for job in stage.link.jobs()]
    expect(states == ["succeeded"], f"the kept job is {states} in the daemon")
    stage.expect_seen(other, untouched, "the result went into a document that it was not made for")


@check(
    "layer-deleted",
    "The layer above which the result belongs is deleted while a job runs: the result comes all the same.",
    advice="Where host_context names a layer that is gone, lay the result on top of all (or raise "
    "PlaceGone).",
    needs=(Capability.LAYERS,),
    rests_on=PLACED,
)
def layer_deleted(stage: Stage) -> None:
    """The active one, with others below."""
    document = stage.open(
        LayerSpec(name="active", bounds=WIDE, pattern=places),
        LayerSpec(name="ground", bounds=WIDE, pattern=flat(40, 80, 160)),
        canvas=WIDE,
    )
    stage.select(document, hard_mask(HOLE))
    stage.link.script(steps=3, hang_at_step=2, drawing=True)
    task = stage.work(stage.session())
    stage.in_step(task)
    stage.rig.delete_layer(document, "active")
    below = stage.specs[document].layers[1]
    before = [below.color(x, y) for y in rows(WIDE) for x in columns(WIDE)]
    stage.link.go_on()
    stage.until(lambda: task.done, "the end of the task")
    expect(not isinstance(task.error, InternalError), f"write_result fell over: {task.error}")
    stage.end(task, TaskState.PLACED, TaskState.KEPT)
    if task.state is TaskState.PLACED:
        _expect_placed(stage, document, before, stage.tolerance(document))
    else:
        slack = stage.tolerance(document)
        stage.expect_seen(document, before, "a result that was kept changed the picture", slack)
