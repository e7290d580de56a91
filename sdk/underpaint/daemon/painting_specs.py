"""What belongs to a painting alone: defaults, sizes, masks and the layout of its result."""

from __future__ import annotations

import secrets

from underpaint.daemon.blobs.store import Entry
from underpaint.errors import Violation
from underpaint.hookspecs import FamilyDescriptor, ModelTraits
from underpaint.types import Alpha, Bounds, Channels, PixelFormat
from underpaint.v1.image_pb2 import ImageRef
from underpaint.v1.job_service_pb2 import RESULT_FORM_LAYER, RESULT_FORM_MERGED, JobSpec
from underpaint.wire.images import format_of, format_to_layout
from underpaint.wire.limits import raise_for

IMG2IMG_STRENGTH = 0.6
INPAINT_STRENGTH = 1.0
CONTINUE = "continue"
CONTINUING_STRENGTH = 0.75
"""Of models that do not say: enough to paint over seams, little enough to keep what was carried on."""


def window_of(spec: JobSpec, operation: str, images: dict[str, Entry]) -> Bounds:
    """The part of the canvas that the job paints."""
    if operation == "text_to_image":
        size = spec.text_to_image
        return Bounds(size.x_px, size.y_px, size.width_px, size.height_px)
    image: ImageRef = getattr(spec, operation).image
    layout = images["image"].layout
    return Bounds(image.x_px, image.y_px, layout.width_px, layout.height_px)


def result_bytes(spec: JobSpec, width: int, height: int) -> int:
    """What the finished picture takes."""
    return width * height * format_of(spec.output_layout).bytes_per_pixel


def fill_in(spec: JobSpec, operation: str, traits: ModelTraits, family: FamilyDescriptor) -> None:
    """Defaults of the model for all that was left out."""
    if not spec.HasField("seed"):
        spec.seed = secrets.randbits(64)
    spec.steps = spec.steps or traits.default_steps
    if not spec.HasField("guidance_scale"):
        spec.guidance_scale = traits.default_guidance_scale
    spec.scheduler = spec.scheduler or traits.default_scheduler or next(iter(family.schedulers), "")
    if operation == "text_to_image":
        spec.text_to_image.width_px = spec.text_to_image.width_px or traits.native_size
        spec.text_to_image.height_px = spec.text_to_image.height_px or traits.native_size
    elif operation == "image_to_image" and not spec.image_to_image.HasField("strength"):
        spec.image_to_image.strength = IMG2IMG_STRENGTH
    elif operation == "inpaint":
        if not spec.inpaint.HasField("strength"):
            _begin_hole(spec, traits)
        comparable = traits.agreement is not None and not spec.regions and not spec.controls
        spec.inpaint.compare_prompt &= comparable and bool(spec.prompt.strip())
    if not spec.result_form:
        spec.result_form = RESULT_FORM_LAYER if operation == "inpaint" else RESULT_FORM_MERGED


def _begin_hole(spec: JobSpec, traits: ModelTraits) -> None:
    """How much changes where nobody said, and with that what the hole begins with."""
    hole, wordless = spec.inpaint, not (spec.prompt.strip() or spec.regions or spec.controls)
    fitting = (traits.wordless_fill_strength if wordless else 0.0) or traits.fill_strength
    hole.compare_prompt = hole.fill_mode in ("", CONTINUE)
    if hole.fill_mode == CONTINUE:
        hole.strength = fitting if fitting < 1.0 else CONTINUING_STRENGTH
    elif not hole.fill_mode and fitting < 1.0:
        hole.fill_mode, hole.strength = CONTINUE, fitting
    else:
        hole.strength = INPAINT_STRENGTH


def check_size(spec: JobSpec, traits: ModelTraits) -> list[Violation]:
    """What is wrong with the size of a picture from words."""
    found: list[Violation] = []
    sizes = (("width_px", spec.text_to_image.width_px), ("height_px", spec.text_to_image.height_px))
    for name, value in sizes:
        where, multiple = f"spec.text_to_image.{name}", traits.size_multiple
        if not traits.min_size <= value <= traits.max_size:
            found.append(
                Violation(
                    where, f"must be {traits.min_size} to {traits.max_size} for this model, got {value}"
                )
            )
        elif value % multiple:
            below, above = value // multiple * multiple, -(-value // multiple) * multiple
            near = [edge for edge in (below, above) if traits.min_size <= edge <= traits.max_size]
            nearest = " and ".join(str(edge) for edge in near)
            found.append(
                Violation(where, f"must be a multiple of {multiple}, got {value}; nearest are {nearest}")
            )
    return found


def check_mask(images: dict[str, Entry]) -> list[Violation]:
    """What is wrong with an inpainting's mask beside its image."""
    image, mask = images["image"].layout, images["mask"].layout
    found: list[Violation] = []
    if (image.width_px, image.height_px) != (mask.width_px, mask.height_px):
        found.append(
            Violation(
                "spec.inpaint.mask",
                f"must have the size of the image, {image.width_px}x{image.height_px}, "
                f"got {mask.width_px}x{mask.height_px}",
            )
        )
    channels = format_of(mask).channels
    if channels.count != 1:
        found.append(Violation("spec.inpaint.mask", f"must have one channel, got {channels.value}"))
    return found


def complete_output(spec: JobSpec, operation: str, images: dict[str, Entry]) -> None:
    """Without a wish: RGB, or RGBA where the result or its source has alpha; u8, sRGB, top row first."""
    if not spec.HasField("output_layout"):
        source = images.get("image")
        has_alpha = source is not None and format_of(source.layout).channels.has_alpha
        if spec.result_form == RESULT_FORM_LAYER or has_alpha:
            spec.output_layout.CopyFrom(format_to_layout(PixelFormat()))
        else:
            spec.output_layout.CopyFrom(format_to_layout(PixelFormat(Channels.RGB, alpha=Alpha.NONE)))
        return
    channels = format_of(spec.output_layout, field="spec.output_layout").channels
    if spec.result_form == RESULT_FORM_LAYER and not channels.has_alpha:
        # check_spec sees a layer that was asked for; here inpainting made it one.
        where = "spec.output_layout.channel_order"
        text = f"a layer needs an alpha channel, {channels.value} has none; or ask for a merged result"
        raise_for([Violation(where, text)])
