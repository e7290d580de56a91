"""Jobs from beginning to end, with a daemon that paints by script."""

from __future__ import annotations

from underpaint.errors import NothingSelected
from underpaint.host import Capability, Session, Task, TaskState
from underpaint.testing.conformance.check import check, expect
from underpaint.testing.conformance.codec import Color, converted, decode
from underpaint.testing.conformance.compare import difference
from underpaint.testing.conformance.patterns import coverage, drawing, hard_mask, soft_mask
from underpaint.testing.conformance.stage import WIDE, Stage, columns, rows
from underpaint.types import Bounds, Image

PLACED = ("run-on-main", "result-place", "outside-untouched")
HOLE = Bounds(100, 70, 22, 17)


def begin(stage: Stage, title: str = "moss", hole: Bounds = HOLE) -> tuple[str, Session, Task]:
    """A painted document, something selected in it, and a job that hangs at its second step."""
    document = stage.open_painted(canvas=WIDE)
    stage.select(document, hard_mask(hole))
    stage.before, stage.steps_before = stage.seen(document), stage.steps(document)
    stage.link.script(steps=3, hang_at_step=2, drawing=True)
    session = stage.session()
    task = stage.work(session, title)
    stage.in_step(task)
    return document, session, task


def placed(stage: Stage) -> Bounds:
    """Where the one result was written. More than that may have been read, where no model was known yet."""
    wrote = [call.bounds for call in stage.watch.named("write_result") if call.bounds]
    expect(len(wrote) == 1, f"write_result was called {len(wrote)} times for one result")
    return wrote[0]


def expect_drawn(
    stage: Stage, document: str, before: list[Color], mask: Image, place: Bounds, slack: float = 0.0
) -> None:
    """The daemon's drawing is seen where the mask is 255, the old picture where it is 0 (to the bit).

    `place` is that of the result.
    """
    after = stage.seen(document)
    canvas = stage.specs[document]
    space = stage.result_format().color_space
    got, want, strays = [], [], 0
    for y in range(canvas.height):
        for x in range(canvas.width):
            at, share = y * canvas.width + x, coverage(mask, x, y)
            if share == 0:
                strays += max(abs(a - b) for a, b in zip(after[at], before[at], strict=True)) > slack
            if share == 255:
                got.append(after[at])
                want.append(converted(drawing(x - place.x, y - place.y), space, canvas.color_space))
    expect(not strays, f"{strays} pixels that were not selected changed")
    wrong = difference(got, want, len(got), max(stage.tolerance(document), 1.2 / 255))
    expect(not wrong, f"what is seen in the selection is not what the daemon drew: {wrong}")


@check(
    "fill-of-nothing",
    "A fill without a selection ends at once, and the user is told to select something.",
    advice="Return None from selection_bounds, and show the notice: it says what to do.",
    needs=(Capability.SELECTION,),
    rests_on=("no-selection", "run-on-main"),
)
def fill_of_nothing(stage: Stage) -> None:
    """Nothing is read, nothing is sent."""
    stage.open_painted()
    task = stage.session().fill("moss")
    stage.end(task, TaskState.FAILED)
    expect(isinstance(task.error, NothingSelected), f"a fill without a selection ended with {task.error!r}")
    expect(stage.watch.notices, "the user was not told why: show_notice was not called")
    expect(not stage.link.jobs(), "a job was sent all the same")


@check(
    "fill-arrives",
    "What reaches the daemon for a fill is the picture and the selection, each unharmed by the other.",
    advice="Every Image needs memory of its own that stays as it is until the image is garbage: do not "
    "reuse a "
    "buffer for the next read, do not hand out a view of memory that the host goes on using.",
    needs=(Capability.SELECTION,),
    rests_on=("read-place", "selection-soft", "run-on-main"),
)
def fill_arrives(stage: Stage) -> None:
    """Compared in the daemon."""
    document = stage.open_painted(canvas=WIDE)
    mask = soft_mask(HOLE)
    stage.rig.select(document, mask)
    stage.link.script(steps=3, hang_at_step=2)
    task = stage.session().fill("moss")
    stage.in_step(task)
    picture, selection = stage.link.arrived(task.job_name)
    bounds = picture.bounds
    got = decode(picture, stage.specs[document].color_space)
    wrong = difference(got, stage.expected(document, bounds), bounds.width, stage.tolerance(document))
    expect(not wrong, f"the picture that arrived: {wrong}")
    want = [coverage(mask, x, y) / 255 for y in rows(bounds) for x in columns(bounds)]
    soft = [(value, value, value, 1.0) for value in want]
    wrong = difference(decode(selection), soft, bounds.width, 2 / 255, mask=True)
    expect(not wrong, f"the mask that arrived: {wrong}")
    stage.link.go_on()
    stage.end(task)


@check(
    "fill-placed",
    "A fill is painted into the selection and nowhere else, in the document it was made for.",
    advice="Hand read_selection and write_result the same coordinates; keep the result's alpha, which is the "
    "selection's.",
    needs=(Capability.SELECTION,),
    rests_on=("fill-arrives", *PLACED),
)
def fill_placed(stage: Stage) -> None:
    """Half of the selection is soft."""
    document = stage.open_painted(canvas=WIDE)
    before = stage.seen(document)
    mask = hard_mask(HOLE)
    stage.rig.select(document, mask)
    stage.link.script(steps=3, drawing=True)
    task = stage.session().fill("moss")
    stage.end(task)
    place, read = placed(stage), stage.watch.named("read_merged")[0].bounds
    expect(read and read.contains(place), f"the result came for {place}, {read} was read")
    expect(place.contains(HOLE), f"the result came for {place}, selected was {HOLE}")
    expect_drawn(stage, document, before, mask, place)
    expect(stage.watch.updates, "show_progress was never called: functions of run_on_main do not run in time")
    expect(not stage.link.jobs(), "the placed job is still in the daemon's list")


@check(
    "layer-as-source",
    "A picture can be made from one layer, hidden ones below it or not.",
    advice="read_layer must give the layer's own pixels for the whole canvas.",
    needs=(Capability.LAYERS,),
    rests_on=("layer-offset", *PLACED),
)
def layer_as_source(stage: Stage) -> None:
    """img2img of the only layer."""
    document = stage.open_painted(canvas=WIDE)
    layer = stage.adapter.list_layers(document)[0]
    stage.link.script(steps=3, hang_at_step=2)
    task = stage.session().generate("moss", source_layer=layer.layer_id)
    stage.in_step(task)
    (picture,) = stage.link.arrived(task.job_name)
    got = decode(picture, stage.specs[document].color_space)
    wrong = difference(got, stage.expected(document, WIDE), WIDE.width, stage.tolerance(document))
    expect(not wrong, f"the layer that arrived: {wrong}")
    stage.link.go_on()
    stage.end(task)


@check(
    "job-fails",
    "A job's error is told in its own words, and the document stays as it was.",
    advice="Show Notice.text without a modal window, as a problem where Notice.problem is set.",
    rests_on=PLACED,
)
def job_fails(stage: Stage) -> None:
    """Out of memory."""
    said = "The picture does not fit into memory: choose a smaller size."
    document = stage.open_painted(canvas=WIDE)
    before = stage.seen(document)
    stage.select(document, hard_mask(HOLE))
    stage.link.script(error={"reason": "OUT_OF_MEMORY", "message": said})
    task = stage.work(stage.session())
    stage.end(task, TaskState.FAILED)
    told = [notice.text for notice in stage.watch.notices if notice.problem]
    expect(said in told, f"show_notice got {told}, {said!r} was due")
    stage.expect_seen(document, before, "a failed job changed the picture")
