"""Tools for latents as protobuf, and what is wrong with a request for one whatever the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from underpaint.errors import Violation
from underpaint.types import LATENTS_FORMAT, LatentsAction, LatentsRequest
from underpaint.v1 import image_pb2, job_service_pb2
from underpaint.wire.ranges import (
    MAX_GUIDANCE,
    MAX_SEED,
    MAX_STEPS,
    check_between,
    check_texts,
    check_whole,
)

ACTIONS: Final[Mapping[LatentsAction, job_service_pb2.LatentsAction]] = {
    LatentsAction.ENCODE: job_service_pb2.LATENTS_ACTION_ENCODE,
    LatentsAction.DECODE: job_service_pb2.LATENTS_ACTION_DECODE,
    LatentsAction.NOISE: job_service_pb2.LATENTS_ACTION_NOISE,
    LatentsAction.DENOISE: job_service_pb2.LATENTS_ACTION_DENOISE,
}
STEPPING: Final = (job_service_pb2.LATENTS_ACTION_NOISE, job_service_pb2.LATENTS_ACTION_DENOISE)
"""Those that stand before a step."""


def latents_to_spec(request: LatentsRequest, image: image_pb2.ImageRef | None) -> job_service_pb2.JobSpec:
    """A specification; `image` is the uploaded picture, or the uploaded latents."""
    use = job_service_pb2.UseLatents(
        action=ACTIONS[request.action],
        image=image,
        step=request.step,
        step_pictures=request.step_pictures,
    )
    return job_service_pb2.JobSpec(
        use_latents=use,
        model=request.model,
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        seed=request.seed,
        steps=request.steps or 0,
        guidance_scale=request.guidance_scale,
        scheduler=request.scheduler,
    )


def check_use_latents(spec: job_service_pb2.JobSpec, field: str) -> list[Violation]:
    """What is wrong with the operation `use_latents` and what stands beside it."""
    use, where, found = spec.use_latents, f"{field}.use_latents", list[Violation]()
    if use.action not in ACTIONS.values():
        found.append(Violation(f"{where}.action", "say what to do: encode, decode, noise or denoise"))
    if not use.image.blob:
        found.append(Violation(f"{where}.image.blob", "name a sealed blob: upload the pixels first"))
    if use.action not in STEPPING:
        for name in ("step", "step_pictures"):
            if getattr(use, name):
                found.append(Violation(f"{where}.{name}", "is for noise and denoise"))
    elif use.step >= MAX_STEPS or (spec.steps and use.step >= spec.steps):
        text = f"must be below the number of steps, {spec.steps or MAX_STEPS}, got {use.step}"
        found.append(Violation(f"{where}.step", text))
    for name in ("postprocess", "controls", "regions", "loras", "preset"):
        if getattr(spec, name):
            found.append(Violation(f"{field}.{name}", "is for pictures that a model makes in one go"))
    return found


def check_latents_request(request: LatentsRequest) -> list[Violation]:
    """What is wrong with a request of a client, before it becomes a specification."""
    found = check_texts({"prompt": request.prompt, "negative_prompt": request.negative_prompt}, "spec")
    found += check_whole("spec.seed", request.seed, 0, MAX_SEED)
    found += check_whole("spec.steps", request.steps, 1, MAX_STEPS)
    found += check_whole("spec.use_latents.step", request.step, 0, (request.steps or MAX_STEPS) - 1)
    if request.guidance_scale is not None:
        found += check_between("spec.guidance_scale", request.guidance_scale, MAX_GUIDANCE)
    if request.action is not LatentsAction.ENCODE and request.image.format != LATENTS_FORMAT:
        found.append(Violation("spec.use_latents.image", "latents have one channel of f32, top row first"))
    return found
