"""A request turned into pixels and numbers, the same for every model family."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from underpaint.engine.family import Assignment
from underpaint.engine.inpaint import MaskSet, mask_bounds, prepare_masks
from underpaint.engine.pixels import Raster, canonicalise, coverage, fill_transparent
from underpaint.engine.pixels.color import Floats
from underpaint.engine.texture.plan import IslandPlan, island_masks, known_alpha, plan_islands
from underpaint.errors import InvalidRequest, OperationUnsupported, Violation
from underpaint.geometry import Size, SizePlan, mask_plan, size_plan
from underpaint.hookspecs import ModelTraits
from underpaint.types import Alpha, Bounds, Channels, PixelFormat, ResultForm, Tiling
from underpaint.v1 import image_pb2, job_service_pb2
from underpaint.wire.images import format_of, format_to_layout
from underpaint.wire.limits import check_spec, raise_for
from underpaint.worker_v1.worker_service_pb2 import PluginFunction

OPERATIONS = {
    "text_to_image": "txt2img",
    "image_to_image": "img2img",
    "inpaint": "inpaint",
    "edit_image": "edit",
    # Whoever goes on from a picture's latents can have them from elsewhere.
    "use_latents": "img2img",
}
DEFAULT_STRENGTH = {"txt2img": 1.0, "img2img": 0.6, "inpaint": 1.0, "edit": 1.0}


@dataclass(frozen=True)
class Source:
    """The picture that a job starts from."""

    raster: Raster
    rgba: Floats
    """Straight, sRGB, top row first."""
    rgb: Floats
    """What the model sees: opaque, in 0.0 … 1.0."""
    known: Floats
    """How much there is to see of each pixel, `(height, width)`: alpha, 0.0 between islands."""
    x: int
    y: int


@dataclass(frozen=True)
class ImagePlan:
    """What to make, at which sizes, from what, and how it goes back."""

    operation: str
    """"txt2img", "img2img", "inpaint" or "edit"."""
    sizes: SizePlan
    strength: float
    tiling: Tiling
    form: ResultForm
    format: PixelFormat
    source: Source | None = None
    masks: MaskSet | None = None
    fill_mode: str = "keep"
    """What a hole holds before the first step; see `underpaint.engine.inpaint.fill_hole`."""
    x: int = 0
    """Where the result belongs on the canvas, in pixels."""
    y: int = 0
    islands: IslandPlan | None = None
    """Where there are pixels at all; None: everywhere."""
    postprocessors: tuple[PluginFunction, ...] = ()
    check: Callable[[], None] = lambda: None


def resolve(assignment: Assignment, traits: ModelTraits, model: str) -> job_service_pb2.JobSpec:
    """A copy of the specification with the model's defaults filled in. Raises `InvalidRequest`."""
    raise_for(check_spec(assignment.spec))
    spec = job_service_pb2.JobSpec()
    spec.CopyFrom(assignment.spec)
    operation = OPERATIONS[str(spec.WhichOneof("operation"))]
    if operation not in traits.operations:
        raise OperationUnsupported(
            f"The model {model!r} cannot do {operation}; it can do {', '.join(traits.operations)}. "
            "Choose another model.",
            metadata={"model": model, "operation": operation},
        )
    spec.model = spec.model or model
    if not spec.HasField("seed"):
        spec.seed = secrets.randbits(32)
    spec.steps = spec.steps or traits.default_steps
    if not spec.HasField("guidance_scale"):
        spec.guidance_scale = traits.default_guidance_scale
    spec.scheduler = spec.scheduler or traits.default_scheduler
    if operation == "inpaint" and traits.agreement is None:
        spec.inpaint.compare_prompt = False
    return spec


def plan_image(assignment: Assignment, spec: job_service_pb2.JobSpec, traits: ModelTraits) -> ImagePlan:
    """Reads the inputs of a resolved specification and plans the picture; fills in what depends on them.

    Raises `InvalidRequest` for sizes, masks and layouts that make no sense.
    """
    operation = OPERATIONS[str(spec.WhichOneof("operation"))]
    tiling = Tiling(("x" if spec.tile_x else "") + ("y" if spec.tile_y else "") or "none")
    source: Source | None = None
    masks: MaskSet | None = None
    islands: IslandPlan | None = None
    strength = DEFAULT_STRENGTH[operation]
    if operation == "txt2img":
        target = _text_size(spec.text_to_image, traits)
        asked = spec.text_to_image
        islands = plan_islands(assignment, spec, Bounds(asked.x_px, asked.y_px, target.width, target.height))
    elif operation == "img2img":
        request = spec.image_to_image
        strength = request.strength if request.HasField("strength") else strength
        request.strength = strength
        source, islands = _source(assignment, spec, request.image, "spec.image_to_image.image")
        target = Size(source.raster.width, source.raster.height)
    elif operation == "edit":
        source, islands = _source(assignment, spec, spec.edit_image.image, "spec.edit_image.image")
        target = Size(source.raster.width, source.raster.height)
    else:
        strength = spec.inpaint.strength if spec.inpaint.HasField("strength") else strength
        source, islands = _source(assignment, spec, spec.inpaint.image, "spec.inpaint.image")
        masks = _masks(assignment, spec.inpaint, source, strength, islands)
        spec.inpaint.fill_mode = spec.inpaint.fill_mode or "keep"
        target = Size(source.raster.width, source.raster.height)
    form, format = _output(spec, operation, source)
    sizes = size_plan(
        target,
        native_size=traits.native_size,
        size_multiple=traits.size_multiple,
        min_size=traits.min_size,
        max_size=traits.max_size,
        enlarge=operation != "txt2img",
    )
    place = (source.x, source.y) if source else (spec.text_to_image.x_px, spec.text_to_image.y_px)
    return ImagePlan(
        operation,
        sizes,
        strength,
        tiling,
        form,
        format,
        source,
        masks,
        spec.inpaint.fill_mode,
        *place,
        islands=islands,
        postprocessors=assignment.postprocessors,
        check=assignment.check,
    )


def _text_size(request: job_service_pb2.TextToImage, traits: ModelTraits) -> Size:
    request.width_px = request.width_px or traits.native_size
    request.height_px = request.height_px or traits.native_size
    size = Size(request.width_px, request.height_px)
    faults = []
    for name, side in (("width_px", size.width), ("height_px", size.height)):
        if side % traits.size_multiple or not traits.min_size <= side <= traits.max_size:
            below = side // traits.size_multiple * traits.size_multiple
            near = min(max(below, traits.min_size), traits.max_size)
            text = (
                f"is {side}; this model takes multiples of {traits.size_multiple} from {traits.min_size} to "
                f"{traits.max_size} pixels, {near} for example"
            )
            faults.append(Violation(f"spec.text_to_image.{name}", text))
    if faults:
        text = "; ".join(f"{fault.field.rpartition('.')[2]} {fault.description}" for fault in faults)
        raise InvalidRequest(f"The model does not paint at this size: {text}.", violations=faults)
    return size


def _source(
    assignment: Assignment, spec: job_service_pb2.JobSpec, reference: image_pb2.ImageRef, field: str
) -> tuple[Source, IslandPlan | None]:
    raster = _input(assignment, reference, field)
    rgba, (x, y) = canonicalise(raster), (reference.x_px, reference.y_px)
    islands = plan_islands(assignment, spec, Bounds(x, y, raster.width, raster.height))
    known = known_alpha(rgba, islands)
    seen = rgba if islands is None else np.concatenate([rgba[..., :3], known[..., None]], axis=2)
    return Source(raster, rgba, fill_transparent(seen), known, x, y), islands


def _input(assignment: Assignment, reference: image_pb2.ImageRef, field: str) -> Raster:
    raster = assignment.inputs.get(reference.blob)
    if raster is None:
        fault = Violation(field, f"refers to {reference.blob!r}, which did not come with the job")
        raise InvalidRequest(f"{field} {fault.description}. Upload it and submit again.", violations=[fault])
    return raster


def _masks(
    assignment: Assignment,
    request: job_service_pb2.Inpaint,
    source: Source,
    strength: float,
    islands: IslandPlan | None,
) -> MaskSet:
    raster = _input(assignment, request.mask, "spec.inpaint.mask")
    place = (request.mask.x_px, request.mask.y_px, raster.width, raster.height)
    wanted = (source.x, source.y, source.raster.width, source.raster.height)
    if place != wanted:
        text = "is {2}x{3} px at ({0}, {1})".format(*place) + ", the image {2}x{3} px at ({0}, {1})".format(
            *wanted
        )
        fault = Violation("spec.inpaint.mask", text)
        raise InvalidRequest(
            f"Mask and image must cover the same pixels: the mask {text}.", violations=[fault]
        )
    mask = coverage(raster)
    if islands is not None:
        mask = np.where(islands.inside, mask, np.float32(0.0))
    bounds = mask_bounds(mask)
    if bounds.is_empty:
        fault = Violation("spec.inpaint.mask", "is 0 everywhere" + (" on the islands" if islands else ""))
        what = "no pixel of a UV island" if islands else "no pixel"
        raise InvalidRequest(
            f"The mask is empty: it selects {what}. Select what shall be repainted.", violations=[fault]
        )
    plan = mask_plan(
        bounds,
        strength,
        request.grow_px if request.HasField("grow_px") else None,
        request.feather_px if request.HasField("feather_px") else None,
    )
    request.strength, request.grow_px, request.feather_px = strength, plan.grow, plan.feather
    return prepare_masks(mask, plan) if islands is None else island_masks(mask, plan, islands.inside)


def _output(
    spec: job_service_pb2.JobSpec, operation: str, source: Source | None
) -> tuple[ResultForm, PixelFormat]:
    form = {
        job_service_pb2.RESULT_FORM_LAYER: ResultForm.LAYER,
        job_service_pb2.RESULT_FORM_MERGED: ResultForm.MERGED,
    }.get(spec.result_form, ResultForm.LAYER if operation == "inpaint" else ResultForm.MERGED)
    spec.result_form = (
        job_service_pb2.RESULT_FORM_LAYER if form is ResultForm.LAYER else job_service_pb2.RESULT_FORM_MERGED
    )
    if spec.HasField("output_layout"):
        format = format_of(spec.output_layout, field="spec.output_layout")
    elif form is ResultForm.LAYER or (source is not None and source.raster.format.channels.has_alpha):
        format = PixelFormat()
    else:
        format = PixelFormat(channels=Channels.RGB, alpha=Alpha.NONE)
    if form is ResultForm.LAYER and not format.channels.has_alpha:
        fault = Violation("spec.output_layout.channel_order", "has no alpha channel, and a layer needs one")
        raise InvalidRequest(
            "A layer needs an alpha channel: ask for RGBA or BGRA, or for a merged result.",
            violations=[fault],
        )
    spec.output_layout.CopyFrom(format_to_layout(format))
    return form, format


def opaque(rgb: Floats) -> Floats:
    """RGB as RGBA with alpha 1.0."""
    return np.concatenate([rgb, np.ones((*rgb.shape[:2], 1), np.float32)], axis=2)
