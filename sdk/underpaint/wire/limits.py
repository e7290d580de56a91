"""Static limits: what is wrong with a message whatever the model. Names of fields are the protocol's."""

from __future__ import annotations

from underpaint.errors import InvalidRequest, Violation
from underpaint.v1 import job_service_pb2
from underpaint.wire.controls import check_controls
from underpaint.wire.images import MAX_EDGE, format_of
from underpaint.wire.islands import check_islands
from underpaint.wire.latents import check_use_latents
from underpaint.wire.loras import check_loras
from underpaint.wire.ranges import (
    MAX_CLIENT_ID,
    MAX_DOCUMENT_ID,
    MAX_GROW,
    MAX_GUIDANCE,
    MAX_HOST_CONTEXT,
    MAX_REQUEST_ID,
    MAX_STEPS,
    MAX_TITLE,
    check_between,
    check_fill_mode,
    check_postprocess,
    check_preprocess,
    check_strength,
    check_texts,
    too_wide,
)
from underpaint.wire.regions import check_regions
from underpaint.wire.schedulers import check_choice
from underpaint.wire.upscale import check_upscale


def check_spec(spec: job_service_pb2.JobSpec, *, field: str = "spec") -> list[Violation]:
    """Everything that is wrong with a specification, as far as that can be said without a model."""
    found = check_texts({"prompt": spec.prompt, "negative_prompt": spec.negative_prompt}, field)
    if spec.steps > MAX_STEPS:
        found.append(Violation(f"{field}.steps", f"must be 1 to {MAX_STEPS}, got {spec.steps}"))
    if spec.HasField("guidance_scale"):
        found += check_between(f"{field}.guidance_scale", spec.guidance_scale, MAX_GUIDANCE)
    operation = spec.WhichOneof("operation")
    if operation == "text_to_image":
        size = spec.text_to_image
        for name, value in (("width_px", size.width_px), ("height_px", size.height_px)):
            if value > MAX_EDGE:
                found.append(Violation(f"{field}.text_to_image.{name}", too_wide(value)))
    elif operation == "image_to_image":
        found += _image(spec.image_to_image.image, f"{field}.image_to_image.image")
        if spec.image_to_image.HasField("strength"):
            found += check_strength(f"{field}.image_to_image.strength", spec.image_to_image.strength)
    elif operation == "edit_image":
        found += _image(spec.edit_image.image, f"{field}.edit_image.image")
    elif operation == "inpaint":
        found += _inpaint(spec.inpaint, f"{field}.inpaint")
    elif operation == "use_latents":
        return found + check_use_latents(spec, field) + check_islands(spec, field)
    elif operation == "preprocess":
        found += _image(spec.preprocess.image, f"{field}.preprocess.image")
        found += check_preprocess(spec.preprocess.preprocessor, spec.preprocess.parameters, field)
        for name in ("postprocess", "controls", "loras", "regions"):
            if getattr(spec, name):
                found.append(Violation(f"{field}.{name}", "is for pictures that a model makes"))
    elif operation == "upscale":
        found += _image(spec.upscale.image, f"{field}.upscale.image")
        found += check_upscale(spec, field)
    else:
        known = "text_to_image, image_to_image, edit_image, inpaint, preprocess, upscale and use_latents"
        text = f"set one of {known}"
        found.append(Violation(f"{field}.operation", text))
    found += check_postprocess(spec.postprocess, field)
    found += check_controls(spec.controls, field)
    found += check_loras(spec.loras, field)
    found += check_choice(spec.preset, spec.scheduler_parameters, field)
    found += check_regions(spec, field) + check_islands(spec, field)
    if spec.HasField("output_layout"):
        found += _output(spec, field)
    return found


def check_origin(origin: job_service_pb2.JobOrigin, *, field: str = "origin") -> list[Violation]:
    """What is too long about who asks."""
    sizes = (
        ("client_id", len(origin.client_id.encode()), MAX_CLIENT_ID, "bytes"),
        ("document_id", len(origin.document_id.encode()), MAX_DOCUMENT_ID, "bytes"),
        ("host_context", len(origin.host_context), MAX_HOST_CONTEXT, "bytes"),
        ("title", len(origin.title), MAX_TITLE, "characters"),
    )
    return [
        Violation(f"{field}.{name}", f"may hold {maximum} {unit}, got {size}")
        for name, size, maximum, unit in sizes
        if size > maximum
    ]


def check_request_id(request_id: str) -> list[Violation]:
    """What is wrong with a request id."""
    if 1 <= len(request_id) <= MAX_REQUEST_ID:
        return []
    return [Violation("request_id", f"must have 1 to {MAX_REQUEST_ID} characters, got {len(request_id)}")]


def raise_for(violations: list[Violation]) -> None:
    """Raises `InvalidRequest` that names every field at fault; nothing for an empty list."""
    if violations:
        details = "; ".join(f"{found.field} {found.description}" for found in violations)
        raise InvalidRequest(f"The request is not valid: {details}.", violations=violations)


def _inpaint(inpaint: job_service_pb2.Inpaint, field: str) -> list[Violation]:
    found = _image(inpaint.image, f"{field}.image") + _image(inpaint.mask, f"{field}.mask")
    if (inpaint.image.x_px, inpaint.image.y_px) != (inpaint.mask.x_px, inpaint.mask.y_px):
        found.append(Violation(f"{field}.mask", "must lie where the image lies"))
    if inpaint.HasField("strength"):
        found += check_strength(f"{field}.strength", inpaint.strength)
    if inpaint.HasField("grow_px"):
        found += check_between(f"{field}.grow_px", inpaint.grow_px, MAX_GROW)
    if inpaint.HasField("feather_px"):
        found += check_between(f"{field}.feather_px", inpaint.feather_px, MAX_GROW)
    return found + check_fill_mode(f"{field}.fill_mode", inpaint.fill_mode)


def _output(spec: job_service_pb2.JobSpec, field: str) -> list[Violation]:
    try:
        output = format_of(spec.output_layout, field=f"{field}.output_layout")
    except InvalidRequest as error:
        return list(error.violations)
    layer = job_service_pb2.RESULT_FORM_LAYER
    if spec.result_form == layer and not output.channels.has_alpha:
        return [Violation(f"{field}.output_layout.channel_order", "a layer needs an alpha channel")]
    return []


def _image(image: object, field: str) -> list[Violation]:
    blob = getattr(image, "blob", "")
    return [] if blob else [Violation(f"{field}.blob", "name a sealed blob: upload the pixels first")]
