"""Upscaling as protobuf, and its limits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from underpaint.errors import Violation
from underpaint.types import UpscaleRequest
from underpaint.v1 import image_pb2, job_service_pb2
from underpaint.wire.controls import check_control_types, control_to_message
from underpaint.wire.images import MAX_EDGE, format_to_layout
from underpaint.wire.loras import loras_to_messages
from underpaint.wire.ranges import (
    MAX_GUIDANCE,
    MAX_SEED,
    MAX_STEPS,
    check_between,
    check_texts,
    check_whole,
    too_wide,
)
from underpaint.wire.regions import ControlPixels, RegionPixels, check_region_types, region_to_message

MAX_FACTOR: Final = 64.0
MIN_TILE: Final = 64
"""Smallest tile of a denoiser, in pixels."""


def upscale_to_spec(
    request: UpscaleRequest,
    image: image_pb2.ImageRef | None,
    controls: Sequence[ControlPixels],
    regions: Sequence[RegionPixels],
) -> job_service_pb2.JobSpec:
    """A specification; `image`, `controls` and `regions` are the uploaded pixels."""
    spec = job_service_pb2.JobSpec(
        model=request.model,
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        seed=request.seed,
        steps=request.steps or 0,
        guidance_scale=request.guidance_scale,
        scheduler=request.scheduler,
        tile_x=request.tiling.x,
        tile_y=request.tiling.y,
        controls=[
            control_to_message(control, *pixels)
            for control, pixels in zip(request.controls, controls, strict=True)
        ],
        loras=loras_to_messages(request.loras),
        regions=[
            region_to_message(region, pixels) for region, pixels in zip(request.regions, regions, strict=True)
        ],
    )
    spec.upscale.CopyFrom(
        job_service_pb2.Upscale(
            image=image,
            factor=request.factor,
            width_px=request.width or 0,
            height_px=request.height or 0,
            upscaler=request.upscaler,
            strength=request.strength,
            tile_px=request.tile or 0,
        )
    )
    if request.output is not None:
        spec.output_layout.CopyFrom(format_to_layout(request.output))
    return spec


def check_upscale_request(request: UpscaleRequest) -> list[Violation]:
    """What is wrong with a request before it becomes a specification."""
    found = check_texts({"prompt": request.prompt, "negative_prompt": request.negative_prompt}, "spec")
    found += check_control_types(request.controls, "spec")
    found += check_region_types(request.regions, len(request.controls), "spec", loras=len(request.loras))
    found += check_whole("spec.seed", request.seed, 0, MAX_SEED)
    found += check_whole("spec.steps", request.steps, 1, MAX_STEPS)
    found += check_whole("spec.upscale.width_px", request.width, 1, MAX_EDGE)
    found += check_whole("spec.upscale.height_px", request.height, 1, MAX_EDGE)
    found += check_whole("spec.upscale.tile_px", request.tile, MIN_TILE, MAX_EDGE)
    if request.guidance_scale is not None:
        found += check_between("spec.guidance_scale", request.guidance_scale, MAX_GUIDANCE)
    sized = request.width is not None or request.height is not None
    return found + _numbers(request.factor, request.strength, sized, "spec.upscale")


def check_upscale(spec: job_service_pb2.JobSpec, field: str) -> list[Violation]:
    """What is wrong with a specification's upscaling, whatever the models."""
    asked, where = spec.upscale, f"{field}.upscale"
    found = [
        Violation(f"{where}.{name}", too_wide(value))
        for name, value in (("width_px", asked.width_px), ("height_px", asked.height_px))
        if value > MAX_EDGE
    ]
    if asked.tile_px:
        found += check_whole(f"{where}.tile_px", asked.tile_px, MIN_TILE, MAX_EDGE)
    if spec.postprocess:
        found.append(Violation(f"{field}.postprocess", "is for pictures of one piece, not of tiles"))
    factor = asked.factor if asked.HasField("factor") else None
    strength = asked.strength if asked.HasField("strength") else None
    return found + _numbers(factor, strength, bool(asked.width_px or asked.height_px), where)


def _numbers(factor: float | None, strength: float | None, sized: bool, where: str) -> list[Violation]:
    found: list[Violation] = []
    # Written so that NaN is refused too.
    if factor is not None and not 0.0 < factor <= MAX_FACTOR:
        text = f"must be above 0 and at most {MAX_FACTOR:g}, got {factor}"
        found.append(Violation(f"{where}.factor", text))
    if factor is not None and sized:
        found.append(Violation(f"{where}.factor", "goes without width and height: leave one of both out"))
    if strength is not None:
        found += check_between(f"{where}.strength", strength, 1.0)
    return found
