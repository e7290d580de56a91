"""Jobs beside other things: another job, another document, their own previews."""

from __future__ import annotations

from underpaint.host import Capability
from underpaint.testing.conformance.check import check, expect
from underpaint.testing.conformance.checks.jobs import HOLE, PLACED, begin
from underpaint.testing.conformance.compare import difference
from underpaint.testing.conformance.patterns import hard_mask, places
from underpaint.testing.conformance.rig import Unsupported
from underpaint.testing.conformance.stage import WIDE, Stage
from underpaint.types import Bounds


@check(
    "two-jobs",
    "Two jobs at once are placed both, each at its own place.",
    advice="Keep nothing about 'the' job in the adapter: what write_result needs is in its Result.",
    rests_on=PLACED,
)
def two_jobs(stage: Stage) -> None:
    """The second is started while the first hangs."""
    document, session, first = begin(stage, "moss")
    elsewhere = Bounds(14, 12, 16, 12)
    stage.select(document, hard_mask(elsewhere))
    second = stage.work(session, "brick")
    stage.until(lambda: second.done or second.update is not None, "the second job's first sign")
    before = stage.before
    stage.link.go_on()
    stage.end(first)
    stage.end(second)
    wrote = [call.bounds for call in stage.watch.named("write_result")]
    expect(len(wrote) == 2, f"write_result was called {len(wrote)} times for two jobs")
    if Capability.SELECTION not in stage.adapter.capabilities:
        return
    after, width = stage.seen(document), WIDE.width
    for hole in (HOLE, elsewhere):
        at = (hole.y + hole.height // 2) * width + hole.x + hole.width // 2
        expect(after[at] != before[at], f"nothing of the result for {hole} is seen")
    at = 4 * width + 140
    expect(after[at] == before[at], "a pixel that neither job had selected changed")


@check(
    "two-documents",
    "A result goes into the document it was made for, though the user works in another one by then.",
    advice="Find the document by Result.document_id, never take the active one; leave the active one active.",
    needs=(Capability.MULTIPLE_DOCUMENTS,),
    rests_on=(*PLACED, "place-gone"),
)
def two_documents(stage: Stage) -> None:
    """The second is opened, and active, while the job runs."""
    document, _, task = begin(stage)
    before = stage.before
    other = stage.open_painted(lambda x, y: places(x + 3, y + 9), canvas=WIDE, title="another")
    expect(other != document, f"two open documents have the same id {other!r}")
    untouched = stage.seen(other)
    stage.link.go_on()
    stage.end(task)
    stage.expect_seen(other, untouched, "the result went into the active document")
    expect(stage.seen(document) != before, "the result is not seen in its own document")
    active = stage.adapter.canvas().document_id
    expect(active == other, f"the active document was {other!r} and is {active!r} now")


@check(
    "previews",
    "Previews are shown apart: they are not in the picture that is read, make no undo step, and leave "
    "nothing.",
    advice="Draw previews over the view, or on a layer that you take away before the result comes, outside "
    "of "
    "the undo history, and leave it out of read_merged.",
    needs=(Capability.PREVIEW,),
    rests_on=(*PLACED, "one-undo-step"),
)
def previews(stage: Stage) -> None:
    """Looked at while one is shown, and afterwards."""
    document, _, task = begin(stage)
    steps = stage.steps_before
    stage.until(lambda: stage.watch.named("show_preview"), "show_preview")
    got, want = stage.merged(document, WIDE), stage.expected(document, WIDE)
    wrong = difference(got, want, WIDE.width, stage.tolerance(document))
    expect(not wrong, f"a preview is in the picture that read_merged gives: {wrong}")
    expect(stage.steps(document) == steps, "a preview made an undo step")
    stage.link.go_on()
    stage.end(task)
    stage.idle(0.1)
    made = stage.steps(document)
    if steps is not None and made is not None:
        expect(made - steps == 1, f"a job with previews made {made - steps} undo steps, one was due")
    try:
        names = list(stage.rig.layer_names(document))
    except Unsupported:
        return
    expect(len(names) <= 2, f"a preview left a layer behind: {names}")
