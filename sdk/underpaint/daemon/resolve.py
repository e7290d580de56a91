"""From what was asked to what will be made: every default filled in, everything checked before a job is."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from underpaint.daemon import upscaling
from underpaint.daemon.blobs.contents import has_coverage
from underpaint.daemon.blobs.store import BlobStore, Entry
from underpaint.daemon.control_specs import check_shown, resolve_controls
from underpaint.daemon.controls import ControlIndex
from underpaint.daemon.embeddings import embedding_sources
from underpaint.daemon.estimators import function_of
from underpaint.daemon.island_specs import resolve_islands
from underpaint.daemon.latents_specs import resolve_latents
from underpaint.daemon.lora_specs import resolve_loras
from underpaint.daemon.loras import LoraIndex
from underpaint.daemon.models import ModelIndex
from underpaint.daemon.painting_specs import (
    check_mask,
    check_size,
    complete_output,
    fill_in,
    result_bytes,
    window_of,
)
from underpaint.daemon.presets import apply_preset
from underpaint.daemon.processing import check_postprocessors, complete, edges_of, set_output
from underpaint.daemon.region_specs import resolve_regions
from underpaint.daemon.safety import Safety
from underpaint.daemon.scan import FoundModel
from underpaint.daemon.scheduler_specs import check_scheduler
from underpaint.daemon.work import check_work, pixels_beside
from underpaint.errors import ModelNotFound, OperationUnsupported, Violation
from underpaint.v1.image_pb2 import ImageLayout, ImageRef
from underpaint.v1.job_service_pb2 import RESULT_FORM_MERGED, JobSpec
from underpaint.wire.images import format_of
from underpaint.wire.limits import check_spec, raise_for

OPERATIONS = {
    "text_to_image": "txt2img",
    "image_to_image": "img2img",
    "inpaint": "inpaint",
    "edit_image": "edit",
}


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
        self._blobs.check_room(result_bytes(spec, image.layout.width_px, image.layout.height_px))
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
            fill_in(spec, "upscale", model.traits, model.family)
            raise_for(check_scheduler(spec, model.family))
            await resolve_loras(spec, model, self._loras)
            await embedding_sources(spec, model, self._models)
            asked.tile_px = asked.tile_px or model.traits.native_size
            masks = resolve_regions(spec, model, window_of(spec, "upscale", images), self._blobs)
            needed = {f"region-{number}": mask for number, mask in enumerate(masks)}
            needed |= await self._steer(spec, "upscale", model, images)
            steps = max(1, round(spec.steps * asked.strength))
            await self._check_work(spec, steps, asked.width_px, asked.height_px)
        spec.result_form = RESULT_FORM_MERGED
        complete_output(spec, "upscale", images)
        self._blobs.check_room(result_bytes(spec, asked.width_px, asked.height_px))
        return images | needed

    async def _use_latents(self, spec: JobSpec) -> dict[str, Entry]:
        model = await self._model(spec, "img2img")
        traits, family = model.traits, model.family
        if traits is None or family is None:
            raise AssertionError("the index hands out usable models only")
        fill_in(spec, "use_latents", traits, family)
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
        fill_in(spec, operation, traits, family)
        await resolve_loras(spec, model, self._loras)
        await embedding_sources(spec, model, self._models)
        images = self._inputs(spec, operation)
        raise_for(
            check_scheduler(spec, family)
            + (check_size(spec, traits) if operation == "text_to_image" else [])
            + (check_mask(images) if operation == "inpaint" else [])
            + await self._postprocess(spec, OPERATIONS[operation])
        )
        if "mask" in images and not await asyncio.to_thread(has_coverage, images["mask"]):
            raise_for([Violation("spec.inpaint.mask", "is empty: select or paint something to repaint")])
        complete_output(spec, operation, images)
        self._room(spec, images)
        masks = resolve_regions(spec, model, window_of(spec, operation, images), self._blobs)
        images |= {f"region-{number}": mask for number, mask in enumerate(masks)}
        images |= resolve_islands(spec, self._blobs)
        needed = await self._steer(spec, operation, model, images)
        window = window_of(spec, operation, images)
        await self._check_work(spec, spec.steps, window.width, window.height)
        return images | needed

    async def _steer(
        self, spec: JobSpec, operation: str, model: FoundModel, images: dict[str, Entry]
    ) -> dict[str, Entry]:
        check_shown(spec, model)
        if not spec.controls:
            return {}
        window, plugins = window_of(spec, operation, images), await self._models.plugins()
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
        check_work(spec.steps, width, height, self._max_step_pixels)
        self._blobs.check_room(result_bytes(spec, width, height))

    async def _check_work(self, spec: JobSpec, steps: int, width: int, height: int) -> None:
        beside = await pixels_beside(spec, width * height, self._controls)
        check_work(steps, width, height, self._max_step_pixels, beside)


def _how_to_get(operation: str) -> str:
    """What whoever has no model for an operation can do."""
    if operation == "edit":
        return "Put a diffusers folder of one that was trained for it (FLUX.1 Kontext) into a model root"
    return "Run: pip install underpaint-swatch; or put a diffusers folder into a model root"
