"""A larger picture of what a document shows: what is asked for, and what becomes of it."""

from __future__ import annotations

from underpaint.host.adapter import HostAdapter, ResultKind
from underpaint.host.controls import read_controls
from underpaint.host.cropping import cropped_controls
from underpaint.host.regions import covering, read_regions
from underpaint.host.settings import Settings, title_of
from underpaint.host.snapshot import Snapshot
from underpaint.types import Bounds, JobOrigin, UpscaleRequest


def read_upscale(
    adapter: HostAdapter,
    prompt: str,
    settings: Settings,
    client_id: str,
    *,
    factor: float | None,
    width: int | None,
    height: int | None,
    upscaler: str,
    source_layer: str | None,
) -> Snapshot:
    """What is seen, or one layer: on the host's main thread, once. The result is a picture of its own.

    A larger picture does not fit the canvas that it was made from.
    """
    canvas = adapter.canvas()
    if source_layer is None:
        image = adapter.read_merged(canvas.document_id, canvas.bounds)
    else:
        image = adapter.read_layer(canvas.document_id, source_layer, canvas.bounds)
    request = UpscaleRequest(
        image=image,
        factor=factor,
        width=width,
        height=height,
        upscaler=upscaler,
        strength=settings.strength,
        prompt=prompt,
        negative_prompt=settings.negative_prompt,
        model=settings.model,
        seed=settings.seed,
        steps=settings.steps,
        guidance_scale=settings.guidance_scale,
        scheduler=settings.scheduler,
        loras=settings.loras,
        controls=cropped_controls(
            read_controls(settings.controls, adapter, canvas.document_id, canvas.bounds), canvas.bounds
        ),
        regions=covering(
            read_regions(settings.regions, adapter, canvas.document_id, canvas.bounds), canvas.bounds
        ),
        tiling=settings.tiling,
        output=canvas.result_format,
    )
    title = f"{canvas.title or title_of(prompt, 'Picture')}, larger"
    place = Bounds(0, 0, canvas.width, canvas.height)
    return Snapshot(
        request, ResultKind.TEXTURE, place, JobOrigin(client_id, "", adapter.host_context(""), title)
    )
