"""Tools for latents in specifications: what goes in and comes out, checked before a job is made."""

from __future__ import annotations

from underpaint.errors import Violation
from underpaint.hookspecs import ModelTraits
from underpaint.types import LATENTS_FORMAT, Alpha, Channels, PixelFormat
from underpaint.v1.image_pb2 import ImageLayout
from underpaint.v1.job_service_pb2 import LATENTS_ACTION_DECODE, LATENTS_ACTION_ENCODE, JobSpec
from underpaint.wire.images import format_of, format_to_layout
from underpaint.wire.latents import STEPPING
from underpaint.wire.limits import raise_for


def resolve_latents(spec: JobSpec, traits: ModelTraits, image: ImageLayout) -> None:
    """Says how the first result of `use_latents` lies; `image` is what it starts from.

    Raises InvalidRequest (violations name "spec.use_latents.…").
    """
    use, where = spec.use_latents, "spec.use_latents.image"
    found: list[Violation] = []
    if use.action == LATENTS_ACTION_ENCODE:
        multiple = traits.size_multiple
        sides = (image.width_px, image.height_px)
        if any(side % multiple or not multiple <= side <= traits.max_size for side in sides):
            text = (
                f"must have sides in multiples of {multiple} up to {traits.max_size} pixels, "
                f"got {sides[0]}x{sides[1]}"
            )
            found.append(Violation(where, text))
    elif format_of(image) != LATENTS_FORMAT:
        found.append(Violation(where, "latents have one channel of f32, top row first, no colour"))
    if use.action in STEPPING and use.step >= spec.steps:
        text = f"must be below the number of steps, {spec.steps}, got {use.step}"
        found.append(Violation("spec.use_latents.step", text))
    raise_for(found)
    if use.action != LATENTS_ACTION_DECODE:
        spec.output_layout.CopyFrom(format_to_layout(LATENTS_FORMAT))
    elif not spec.HasField("output_layout"):
        spec.output_layout.CopyFrom(format_to_layout(PixelFormat(Channels.RGB, alpha=Alpha.NONE)))
