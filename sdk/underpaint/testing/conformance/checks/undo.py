"""One step back, one step forward."""

from __future__ import annotations

from underpaint.host import Capability
from underpaint.testing.conformance.check import check, expect
from underpaint.testing.conformance.patterns import flat
from underpaint.testing.conformance.rig import Unsupported
from underpaint.testing.conformance.stage import Stage
from underpaint.types import Bounds

UNDO = (Capability.UNDO,)
_PLACE = Bounds(13, 9, 24, 17)
_STROKE = Bounds(2, 2, 9, 30)


@check(
    "one-undo-step",
    "A result is exactly one step in the undo history.",
    advice="Make the layer complete (pixels, name, place) before you add it, or wrap it all in one undo "
    "group; "
    "and make sure that the host records it at all.",
    needs=UNDO,
    rests_on=("result-place",),
)
def one_undo_step(stage: Stage) -> None:
    """Counted where the rig can count; else seen: the second step back must take the user's own stroke."""
    document = stage.open_painted()
    try:
        stage.rig.paint(document, _STROKE, (1.0, 0.0, 1.0, 1.0))
        stroked = True
    except Unsupported:
        stroked = False
    before, steps = stage.seen(document), stage.steps(document)
    stage.adapter.write_result(stage.result(document, _PLACE, flat(250, 240, 10)))
    if steps is not None:
        made = (stage.steps(document) or 0) - steps
        expect(made == 1, f"the result made {made} undo steps, one was due")
    elif not stroked:
        raise Unsupported("the rig can neither paint nor count undo steps")
    stage.rig.undo(document)
    stage.expect_seen(document, before, "after one undo the picture is not what it was before the result")
    if stroked:
        stage.rig.undo(document)
        expect(
            stage.seen(document) != before,
            "a second undo changed nothing: the result made more than one undo step",
        )


@check(
    "undo-redo-exact",
    "Undo takes a result away and redo brings it back, to the bit, pixels and all.",
    advice="Give the host the pixels before the step is recorded: what is set afterwards is lost by redo.",
    needs=UNDO,
    rests_on=("one-undo-step",),
)
def undo_redo_exact(stage: Stage) -> None:
    """There and back, twice."""
    document = stage.open_painted()
    before = stage.seen(document)
    stage.adapter.write_result(stage.result(document, _PLACE, flat(250, 240, 10)))
    after = stage.seen(document)
    for _ in range(2):
        stage.rig.undo(document)
        stage.expect_seen(document, before, "undo left something behind")
        stage.rig.redo(document)
        stage.expect_seen(document, after, "redo did not bring the result back")
