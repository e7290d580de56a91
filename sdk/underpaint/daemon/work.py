"""How much a job computes, before it is taken: its pixels times its steps, and what is read beside them."""

from __future__ import annotations

from underpaint.daemon.controls import ControlIndex
from underpaint.errors import LimitExceeded
from underpaint.v1.job_service_pb2 import JobSpec
from underpaint.weights import kinds

WORD_PX = 16 * 16
"""What a word costs a transformer: as much as the pixels of one of its picture's tokens."""


async def pixels_beside(spec: JobSpec, pixels: int, controls: ControlIndex) -> int:
    """What a step of a resolved specification computes beside the picture's own `pixels`, counted in such.

    Each region counts as one more picture, which is what it costs models that are asked once for each prompt;
    others cost less. A picture that is looked at counts as one; a reference as the words that are made of it.
    """
    pictures = len(spec.regions) + (1 if spec.WhichOneof("operation") == "edit_image" else 0)
    told = [
        (await controls.find(control.model)).traits
        for control in spec.controls
        if control.model != spec.model
    ]
    references = sum(traits is not None and traits.kind == kinds.REDUX for traits in told)
    return pictures * pixels + references * kinds.REDUX_WORDS * WORD_PX


def check_work(steps: int, width: int, height: int, maximum: int, beside: int = 0) -> None:
    """Raises LimitExceeded for more than `maximum` pixels times steps; `beside`: more pixels in each step."""
    work = steps * (width * height + beside)
    if work <= maximum:
        return
    more = f" and {beside} beside, for regions and pictures to look at," if beside else ""
    fewer = (
        "fewer steps, a smaller picture or fewer regions" if beside else "fewer steps or a smaller picture"
    )
    raise LimitExceeded(
        f"{steps} steps of {width}x{height} pixels{more} are {work} pixel steps, more than the {maximum} "
        f"that this daemon takes: {fewer}, or raise UNDERPAINT_MAX_STEP_PIXELS and restart it.",
        metadata={"limit": "step_pixels", "maximum": str(maximum)},
    )
