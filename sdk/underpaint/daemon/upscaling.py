"""Upscaling in specifications: sizes from factors, a network by name, and what is left out."""

from __future__ import annotations

from underpaint.daemon.models import ModelIndex
from underpaint.daemon.scan import FoundModel
from underpaint.errors import ModelNotFound, ModelUnusable, Violation
from underpaint.v1.image_pb2 import ImageLayout
from underpaint.v1.job_service_pb2 import JobSpec, Upscale
from underpaint.weights.kinds import UPSCALER
from underpaint.wire.images import MAX_EDGE
from underpaint.wire.limits import raise_for
from underpaint.wire.ranges import too_wide
from underpaint.worker_v1.worker_service_pb2 import UpscalerSource

LANCZOS = "lanczos"
"""The name that means no network."""
FACTOR = 4.0
REFINING_STRENGTH = 0.3
"""Without a network: enough for details, too little for another picture."""


def complete_size(asked: Upscale, source: ImageLayout) -> None:
    """Fills in the size of the result. Raises InvalidRequest where it is too large."""
    width, height = source.width_px, source.height_px
    if asked.width_px and not asked.height_px:
        asked.height_px = max(1, round(asked.width_px * height / width))
    elif asked.height_px and not asked.width_px:
        asked.width_px = max(1, round(asked.height_px * width / height))
    elif not asked.width_px:
        factor = asked.factor if asked.HasField("factor") else FACTOR
        asked.width_px = max(1, round(width * factor))
        asked.height_px = max(1, round(height * factor))
        asked.ClearField("factor")  # the size says it, and exactly
    sides = (("width_px", asked.width_px), ("height_px", asked.height_px))
    raise_for(
        [
            Violation(f"spec.upscale.{name}", f"{too_wide(side)}: take a smaller factor")
            for name, side in sides
            if side > MAX_EDGE
        ]
    )


async def choose(asked: Upscale, models: ModelIndex) -> None:
    """Fills in the network's name and the strength. Raises ModelNotFound or ModelUnusable."""
    if not asked.upscaler:
        usable = (one.name for one in await models.all(UPSCALER) if not one.problem)
        asked.upscaler = next(usable, LANCZOS)
    elif asked.upscaler != LANCZOS:
        asked.upscaler = (await find(asked.upscaler, models)).name
    if not asked.HasField("strength"):
        asked.strength = REFINING_STRENGTH if asked.upscaler == LANCZOS else 0.0


async def find(name: str, models: ModelIndex) -> FoundModel:
    """A usable upscaler by its name, with or without its kind, or by absolute path."""
    known = {one.name: one for one in await models.all(UPSCALER, recent=True)}
    found = known.get(name) or known.get(f"{UPSCALER}:{name}") or await models.file_at(name)
    if found is None or found.kind != UPSCALER:
        names = ", ".join([*(one.name for one in known.values() if not one.problem), LANCZOS])
        raise ModelNotFound(
            f"There is no upscaler {name[:200]!r}; there are: {names}. Put its .safetensors file into a "
            "model root's folder upscale_models, or name it by its absolute path.",
            metadata={"model": name[:200]},
        )
    if found.problem:
        raise ModelUnusable(
            f"The upscaler {found.name!r} cannot be used: {found.problem}.",
            metadata={"model": found.name, "path": str(found.path)},
        )
    return found


async def source_of(spec: JobSpec, models: ModelIndex) -> UpscalerSource | None:
    """The network of a resolved specification, as a worker gets it; None where there is none."""
    if spec.WhichOneof("operation") != "upscale" or spec.upscale.upscaler == LANCZOS:
        return None
    found = await find(spec.upscale.upscaler, models)
    return UpscalerSource(name=found.name, path=str(found.path))


def refined(spec: JobSpec) -> bool:
    """Whether denoising takes part; else what is for it must not be there. Raises InvalidRequest."""
    if spec.upscale.strength > 0.0:
        return True
    text = "is for the denoising, and with a strength of 0.0 there is none: give one above"
    raise_for(
        [Violation(f"spec.{name}", text) for name in ("controls", "loras", "regions") if getattr(spec, name)]
    )
    spec.ClearField("model")
    return False
