"""A tile as a job of its own for a model's family: image to image at low strength, controls cut to it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from underpaint.engine.family import Assignment
from underpaint.engine.pixels import Raster, canonicalise, coverage
from underpaint.engine.pixels.color import Floats
from underpaint.engine.upscale.lanczos import region
from underpaint.engine.upscale.passes import Tile
from underpaint.geometry import Size, Span
from underpaint.types import Alpha, Bounds, Channels, DataType, PixelFormat, Tiling
from underpaint.v1 import image_pb2, job_service_pb2
from underpaint.wire.images import format_to_layout

TILE = "tile"
_SEEDS = 2**64
RGB = PixelFormat(Channels.RGB, DataType.F32, Alpha.NONE)
"""How tiles come and go."""
_RGBA = PixelFormat(Channels.RGBA, DataType.F32)
_GRAY = PixelFormat(Channels.GRAY, DataType.F32, Alpha.NONE)


def tile_job(
    assignment: Assignment, spec: job_service_pb2.JobSpec, source: Size, at: Tile, rgb: Floats
) -> Assignment:
    """The job that refines `rgb`, a tile of the large picture, whose source has the size `source`.

    A tile that goes once around a tiled axis is tiled itself; any other has neighbours. Each tile has noise
    of its own: the same everywhere would show as a pattern.
    """
    x, y = at.x, at.y
    upscale = spec.upscale
    size = Size(upscale.width_px, upscale.height_px)
    tile = job_service_pb2.JobSpec()
    tile.CopyFrom(spec)
    tile.ClearField("upscale")
    tile.image_to_image.image.CopyFrom(image_pb2.ImageRef(blob=TILE))
    tile.image_to_image.strength = upscale.strength
    tile.seed = (spec.seed + at.number) % _SEEDS
    tile.tile_x, tile.tile_y = (
        tiled and span == Span(0, length)
        for tiled, span, length in ((spec.tile_x, x, size.width), (spec.tile_y, y, size.height))
    )
    tile.output_layout.CopyFrom(format_to_layout(RGB))
    tile.ClearField("controls")
    inputs = {TILE: Raster(rgb, RGB)}
    sources = []
    place = (upscale.image.x_px, upscale.image.y_px)
    for index, (control, model) in enumerate(zip(spec.controls, assignment.controls, strict=True)):
        name = f"control-{index}"
        cut = _cut(assignment, control.image, place, source, size, x, y)
        if cut is None:
            continue  # it does not reach this tile, and says nothing here
        kept = tile.controls.add()
        kept.CopyFrom(control)
        inputs[name], where = cut
        kept.image.CopyFrom(image_pb2.ImageRef(blob=name, x_px=where.x, y_px=where.y))
        if control.HasField("mask"):
            mask = _cut(assignment, control.mask, place, source, size, x, y, mask=True)
            if mask is None:
                del tile.controls[-1]
                continue
            inputs[f"{name}-mask"], where = mask
            kept.mask.CopyFrom(image_pb2.ImageRef(blob=f"{name}-mask", x_px=where.x, y_px=where.y))
        sources.append(model)
    tile.ClearField("regions")
    for index, part in enumerate(spec.regions):
        mask = _cut(assignment, part.mask, place, source, size, x, y, mask=True)
        if mask is not None:
            name = f"region-{index}"
            inputs[name], where = mask
            tile.regions.add().CopyFrom(part)
            tile.regions[-1].mask.CopyFrom(image_pb2.ImageRef(blob=name, x_px=where.x, y_px=where.y))
    return replace(assignment, spec=tile, inputs=inputs, controls=tuple(sources), postprocessors=())


def _cut(
    assignment: Assignment,
    reference: image_pb2.ImageRef,
    place: tuple[int, int],
    source: Size,
    size: Size,
    x: Span,
    y: Span,
    *,
    mask: bool = False,
) -> tuple[Raster, Bounds] | None:
    """What of an image on the canvas lies in the window, scaled as the picture is, and where in the tile."""
    raster = assignment.inputs[reference.blob]
    values = coverage(raster)[..., None] if mask else canonicalise(raster)
    height, width = values.shape[:2]
    across, down = size.width / source.width, size.height / source.height
    scaled = Size(max(1, round(width * across)), max(1, round(height * down)))
    left, top = round((reference.x_px - place[0]) * across), round((reference.y_px - place[1]) * down)
    whole = Bounds(left - x.start, top - y.start, scaled.width, scaled.height)
    part = whole.intersect(Bounds(0, 0, x.length, y.length))
    if part.is_empty:
        return None
    columns = Span(part.x - whole.x, part.x - whole.x + part.width)
    rows = Span(part.y - whole.y, part.y - whole.y + part.height)
    pixels = region(np.asarray(values, np.float32), scaled, columns, rows, Tiling.NONE)
    return Raster(pixels, _GRAY if mask else _RGBA), part
