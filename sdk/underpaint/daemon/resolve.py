"""From what was asked to what will be made: every default filled in, everything checked before a job is."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field

from underpaint.daemon import upscaling
from underpaint.daemon.blobs.contents import has_coverage
from underpaint.daemon.blobs.store import BlobStore, Entry
from underpaint.daemon.control_specs import check_shown, resolve_controls
from underpaint.daemon.controls import ControlIndex
from underpaint.daemon.embeddings import embedding_sources
from underpaint.daemon.estimators import function_of
from underpaint.daemon.latents_specs import resolve_latents
from underpaint.daemon.lora_specs import resolve_loras
from underpaint.daemon.loras import LoraIndex
from underpaint.daemon.models import ModelIndex
from underpaint.daemon.presets import apply_preset
from underpaint.daemon.processing import check_postprocessors, complete, edges_of, set_output
from underpaint.daemon.region_specs import resolve_regions
from underpaint.daemon.safety import Safety
from underpaint.daemon.scan import FoundModel
from underpaint.daemon.scheduler_specs import check_scheduler
from underpaint.errors import LimitExceeded, ModelNotFound, OperationUnsupported, Violation
from underpaint.hookspecs import FamilyDescriptor, ModelTraits
from underpaint.types import Alpha, Bounds, Channels, PixelFormat
from underpaint.v1.image_pb2 import ImageLayout, ImageRef
from underpaint.v1.job_service_pb2 import RESULT_FORM_LAYER, RESULT_FORM_MERGED, JobSpec
from underpaint.wire.images import format_of, format_to_layout
from underpaint.wire.limits import check_spec, raise_for

OPERATIONS = {
    "text_to_image": "txt2img",
    "image_to_image": "img2img",
    "inpaint": "inpaint",
    "edit_image": "edit",
}
IMG2IMG_STRENGTH = 0.6
INPAINT_STRENGTH = 1.0


@dataclass(frozen=True, slots=True)
class Resolved:
    """A specification that can be run, and the blobs that it needs by name."""

    spec: JobSpec
    inputs: dict[str, ImageLayout] = field(default_factory=dict)


class Resolver:
    """Checks and completes specifications."""

    def __init__(
        self,
        models: ModelIndex,
        controls: ControlIndex,
        loras: LoraIndex,
        blobs: BlobStore,
        safety: Safety,
        *,
        max_step_pixels: int,
    ) -> None:
        self._models = models
        self._controls = controls
        self._loras = loras
        self._blobs = blobs
        self._safety = safety
        self._max_step_pixels = max_step_pixels

    async def resolve(self, asked: JobSpec) -> Resolved:
        """The specification with everything filled in but what only the worker can know (grow, feather).

        Raises InvalidRequest (violations name "spec.…" fields), ModelNotFound, ModelUnusable,
        OperationUnsupported, ContentRefused, BlobNotFound, BlobStateError, LimitExceeded or StorageFull.
        """
        raise_for(check_spec(asked))
        spec = JobSpec()
        spec.CopyFrom(asked)
        operation = spec.WhichOneof("operation") or ""
        others = {
            "preprocess": self._preprocess,
            "upscale": self._upscale,
            "use_latents": self._use_latents,
        }
        resolve = others.get(operation)
        inputs = await (resolve(spec) if resolve is not None else self._paint(spec, operation))
        await self._safety.check_request(spec)
        return Resolved(spec, {entry.name: entry.layout for entry in inputs.values()})

    async def _preprocess(self, spec: JobSpec) -> dict[str, Entry]:
        plugins = await self._models.plugins()
        wanted = complete(spec.preprocess, plugins.preprocessors, defaults=edges_of(spec))
        await function_of(wanted, self._models)
        set_output(spec, wanted.role)
        image = self._input(spec.preprocess.image)
        format_of(spec.output_layout, field="spec.output_layout")
        self._blobs.check_room(_result_bytes(spec, image.layout.width_px, image.layout.height_px))
        return {"image": image}

    async def _upscale(self, spec: JobSpec) -> dict[str, Entry]:
        images, asked = {"image": self._input(spec.upscale.image)}, spec.upscale
        upscaling.complete_size(asked, images["image"].layout)
        await upscaling.choose(asked, self._models)
        needed: dict[str, Entry] = {}
        if upscaling.refined(spec):
            model = await self._model(spec, "img2img")
            if model.traits is None or model.family is None:
                raise AssertionError("the index hands out usable models only")
            await apply_preset(spec, model, self._loras)
            _fill(spec, "upscale", model.traits, model.family)
            raise_for(check_scheduler(spec, model.family))
            await resolve_loras(spec, model, self._loras)
            await embedding_sources(spec, model, self._models)
            asked.tile_px = asked.tile_px or model.traits.native_size
            self._work(max(1, round(spec.steps * asked.strength)), asked.width_px, asked.height_px)
            masks = resolve_regions(spec, model, _window(spec, "upscale", images), self._blobs)
            needed = {f"region-{number}": mask for number, mask in enumerate(masks)}
            needed |= await self._steer(spec, "upscale", model, images)
        spec.result_form = RESULT_FORM_MERGED
        _output(spec, "upscale", images)
        self._blobs.check_room(_result_bytes(spec, asked.width_px, asked.height_px))
        return images | needed

    async def _use_latents(self, spec: JobSpec) -> dict[str, Entry]:
        model = await self._model(spec, "img2img")
        traits, family = model.traits, model.family
        if traits is None or family is None:
            raise AssertionError("the index hands out usable models only")
        _fill(spec, "use_latents", traits, family)
        raise_for(check_scheduler(spec, family))
        images = {"image": self._input(spec.use_latents.image)}
        resolve_latents(spec, traits, images["image"].layout)
        self._room(spec, images)
        return images

    async def _paint(self, spec: JobSpec, operation: str) -> dict[str, Entry]:
        model = await self._model(spec, OPERATIONS[operation])
        traits, family = model.traits, model.family
        if traits is None or family is None:
            raise AssertionError("the index hands out usable models only")
        await apply_preset(spec, model, self._loras)
        _fill(spec, operation, traits, family)
        await resolve_loras(spec, model, self._loras)
        await embedding_sources(spec, model, self._models)
        images = self._inputs(spec, operation)
        raise_for(
            check_scheduler(spec, family)
            + (_size(spec, traits) if operation == "text_to_image" else [])
            + (_mask(images) if operation == "inpaint" else [])
            + await self._postprocess(spec, OPERATIONS[operation])
        )
        if "mask" in images and not await asyncio.to_thread(has_coverage, images["mask"]):
            raise_for([Violation("spec.inpaint.mask", "is empty: select or paint something to repaint")])
        _output(spec, operation, images)
        self._room(spec, images)
        masks = resolve_regions(spec, model, _window(spec, operation, images), self._blobs)
        images |= {f"region-{number}": mask for number, mask in enumerate(masks)}
        return images | await self._steer(spec, operation, model, images)

    async def _steer(
        self, spec: JobSpec, operation: str, model: FoundModel, images: dict[str, Entry]
    ) -> dict[str, Entry]:
        check_shown(spec, model)
        if not spec.controls:
            return {}
        window, plugins = _window(spec, operation, images), await self._models.plugins()
        needed = await resolve_controls(spec, model, window, self._controls, self._blobs, plugins)
        return {f"control-{number}": entry for number, entry in enumerate(needed)}

    async def _postprocess(self, spec: JobSpec, operation: str) -> list[Violation]:
        if not spec.postprocess:
            return []
        plugins = await self._models.plugins()
        return check_postprocessors(spec.postprocess, operation, plugins.postprocessors)

    async def _model(self, spec: JobSpec, operation: str) -> FoundModel:
        if not spec.model:
            spec.model = await self._models.default(operation)
            if not spec.model:
                raise ModelNotFound(
                    f"No installed model can do {operation}. {_how_to_get(operation)}; or name one by its "
                    "absolute path.",
                    metadata={"model": ""},
                )
        model = await self._models.find(spec.model)
        can = model.traits.operations if model.traits else ()
        if operation not in can:
            others = [
                found.name
                for found in await self._models.all()
                if found.traits is not None and operation in found.traits.operations
            ]
            names = f"choose one of: {', '.join(others)}" if others else "no installed model can"
            raise OperationUnsupported(
                f"The model {model.name!r} cannot do {operation}, only {', '.join(can)}; {names}.",
                metadata={"model": model.name, "operation": operation},
            )
        return model

    def _inputs(self, spec: JobSpec, operation: str) -> dict[str, Entry]:
        if operation == "inpaint":
            return {"image": self._input(spec.inpaint.image), "mask": self._input(spec.inpaint.mask)}
        if operation == "text_to_image":
            return {}
        return {"image": self._input(getattr(spec, operation).image)}

    def _input(self, ref: ImageRef) -> Entry:
        return self._blobs.sealed(ref.blob)

    def _room(self, spec: JobSpec, images: dict[str, Entry]) -> None:
        layout = images["image"].layout if images else None
        width = layout.width_px if layout else spec.text_to_image.width_px
        height = layout.height_px if layout else spec.text_to_image.height_px
        self._work(spec.steps, width, height)
        self._blobs.check_room(_result_bytes(spec, width, height))

    def _work(self, steps: int, width: int, height: int) -> None:
        work = steps * width * height
        if work > self._max_step_pixels:
            raise LimitExceeded(
                f"{steps} steps of {width}x{height} pixels are {work} pixel steps, more than the "
                f"{self._max_step_pixels} that this daemon takes: fewer steps or a smaller picture, or raise "
                "UNDERPAINT_MAX_STEP_PIXELS and restart it.",
                metadata={"limit": "step_pixels", "maximum": str(self._max_step_pixels)},
            )


def _how_to_get(operation: str) -> str:
    """What whoever has no model for an operation can do."""
    if operation == "edit":
        return "Put a diffusers folder of one that was trained for it (FLUX.1 Kontext) into a model root"
    return "Run: pip install underpaint-swatch; or put a diffusers folder into a model root"


def _window(spec: JobSpec, operation: str, images: dict[str, Entry]) -> Bounds:
    """The part of the canvas that the job paints."""
    if operation == "text_to_image":
        size = spec.text_to_image
        return Bounds(size.x_px, size.y_px, size.width_px, size.height_px)
    image: ImageRef = getattr(spec, operation).image
    layout = images["image"].layout
    return Bounds(image.x_px, image.y_px, layout.width_px, layout.height_px)


def _result_bytes(spec: JobSpec, width: int, height: int) -> int:
    return width * height * format_of(spec.output_layout).bytes_per_pixel


def _fill(spec: JobSpec, operation: str, traits: ModelTraits, family: FamilyDescriptor) -> None:
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
    elif operation == "inpaint" and not spec.inpaint.HasField("strength"):
        spec.inpaint.strength = INPAINT_STRENGTH
    if not spec.result_form:
        spec.result_form = RESULT_FORM_LAYER if operation == "inpaint" else RESULT_FORM_MERGED


def _size(spec: JobSpec, traits: ModelTraits) -> list[Violation]:
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


def _mask(images: dict[str, Entry]) -> list[Violation]:
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


def _output(spec: JobSpec, operation: str, images: dict[str, Entry]) -> None:
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
