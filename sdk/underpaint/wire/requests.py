"""What is wrong with a request of a client, before it becomes a specification."""

from __future__ import annotations

from underpaint.errors import Violation
from underpaint.types import (
    GenerateRequest,
    JobOrigin,
    LatentsRequest,
    PreprocessRequest,
    Request,
    UpscaleRequest,
)
from underpaint.v1 import job_service_pb2
from underpaint.wire.controls import check_control_types
from underpaint.wire.images import MAX_EDGE
from underpaint.wire.islands import check_islands_type
from underpaint.wire.latents import check_latents_request
from underpaint.wire.limits import check_origin
from underpaint.wire.loras import check_loras, loras_to_messages
from underpaint.wire.ranges import (
    MAX_GROW,
    MAX_GUIDANCE,
    MAX_SEED,
    MAX_STEPS,
    check_between,
    check_fill_mode,
    check_postprocess,
    check_preprocess,
    check_strength,
    check_texts,
    check_whole,
)
from underpaint.wire.regions import check_region_types
from underpaint.wire.schedulers import check_choice
from underpaint.wire.upscale import check_upscale_request


def check_request(request: Request) -> list[Violation]:
    """What is wrong with a request before it becomes a specification: no number may be silently cut.

    Zero is a mistake here, not "the default": None is the default.
    """
    if isinstance(request, LatentsRequest):
        return check_latents_request(request)
    if isinstance(request, PreprocessRequest):
        return check_preprocess(request.preprocessor, request.parameters, "spec")
    if isinstance(request, UpscaleRequest):
        return check_upscale_request(request)
    found = check_texts({"prompt": request.prompt, "negative_prompt": request.negative_prompt}, "spec")
    found += check_postprocess(request.postprocess, "spec")
    found += check_control_types(request.controls, "spec")
    found += check_loras(loras_to_messages(request.loras), "spec")
    found += check_choice(request.preset, request.scheduler_parameters, "spec")
    found += check_region_types(request.regions, len(request.controls), "spec", loras=len(request.loras))
    found += check_islands_type(request.islands, "spec")
    found += check_whole("spec.seed", request.seed, 0, MAX_SEED)
    found += check_whole("spec.steps", request.steps, 1, MAX_STEPS)
    if request.guidance_scale is not None:
        found += check_between("spec.guidance_scale", request.guidance_scale, MAX_GUIDANCE)
    if request.image is None:
        found += check_whole("spec.text_to_image.width_px", request.width, 1, MAX_EDGE)
        found += check_whole("spec.text_to_image.height_px", request.height, 1, MAX_EDGE)
        for name, given in (("mask", request.mask), ("strength", request.strength)):
            if given is not None:
                found.append(Violation(f"spec.image_to_image.{name}", f"a {name} needs an image"))
        if request.edit:
            found.append(Violation("spec.edit_image.image", "editing needs an image"))
    elif request.edit:
        found += _edit(request)
    else:
        found += _request_with_image(request)
    if request.image is None or request.mask is None:
        for name, edge in (("grow_px", request.grow), ("feather_px", request.feather)):
            if edge is not None:
                found.append(
                    Violation(f"spec.inpaint.{name}", "is for inpainting: it needs an image and a mask")
                )
        if request.fill_mode:
            text = "is for inpainting: it needs an image and a mask"
            found.append(Violation("spec.inpaint.fill_mode", text))
    return found


def check_job_origin(origin: JobOrigin) -> list[Violation]:
    """`check_origin` for the value type."""
    return check_origin(
        job_service_pb2.JobOrigin(
            client_id=origin.client_id,
            document_id=origin.document_id,
            host_context=origin.host_context,
            title=origin.title,
        )
    )


def _edit(request: GenerateRequest) -> list[Violation]:
    given = {
        "a mask": request.mask,
        "a strength": request.strength,
        "a width": request.width,
        "a height": request.height,
    }
    return [
        Violation("spec.edit_image", f"takes an image and an instruction; {name} means nothing to it")
        for name, value in given.items()
        if value is not None
    ]


def _request_with_image(request: GenerateRequest) -> list[Violation]:
    operation = "spec.image_to_image" if request.mask is None else "spec.inpaint"
    found: list[Violation] = []
    if request.width is not None or request.height is not None:
        found.append(Violation("spec.text_to_image", "width and height are the image's; leave them out"))
    if request.strength is not None:
        found += check_strength(f"{operation}.strength", request.strength)
    if request.image is None or request.mask is None:
        return found
    image, mask = request.image.bounds, request.mask.bounds
    if mask != image:
        found.append(
            Violation(
                "spec.inpaint.mask",
                f"must have the size and place of the image, {image.width}x{image.height} at "
                f"({image.x}, {image.y}); got {mask.width}x{mask.height} at ({mask.x}, {mask.y})",
            )
        )
    if request.mask.format.channels.count != 1:
        found.append(
            Violation("spec.inpaint.mask", f"must have one channel, got {request.mask.format.channels.value}")
        )
    for name, edge in (("grow_px", request.grow), ("feather_px", request.feather)):
        if edge is not None:
            found += check_between(f"spec.inpaint.{name}", edge, MAX_GROW)
    return found + check_fill_mode("spec.inpaint.fill_mode", request.fill_mode)
