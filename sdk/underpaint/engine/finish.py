"""The model's picture turned into the result that was asked for."""

from __future__ import annotations

import numpy as np

from underpaint.engine.family import Picture
from underpaint.engine.inpaint import layer, match_colors, merge, resize
from underpaint.engine.pixels import encode
from underpaint.engine.pixels.color import Floats
from underpaint.engine.plan import ImagePlan, opaque
from underpaint.engine.postprocessing import Scene, postprocess
from underpaint.engine.texture.finish import finish_islands
from underpaint.types import ResultForm


def finish_picture(plan: ImagePlan, made: Floats) -> Picture:
    """From sRGB `(height, width, 3)` in 0.0 … 1.0, at any size, to the encoded result at the target's."""
    made = resize(made, plan.sizes.target, plan.tiling)
    source = plan.source
    if source is not None and plan.masks is not None:
        made = match_colors(made, source.rgb, plan.masks.grown, source.known)
    made = postprocess(made, _scene(plan), plan.postprocessors)
    if plan.islands is not None:
        given = (source.raster, source.rgba) if source is not None else None
        composite = plan.masks.composite if plan.masks is not None else None
        samples = finish_islands(made, plan.islands, composite, given, plan.form, plan.format, plan.tiling)
        return Picture(samples, plan.format, plan.x, plan.y)
    if source is None:
        return Picture(encode(opaque(made), plan.format), plan.format, plan.x, plan.y)
    if plan.masks is None:
        # Image to image repaints colour; what was transparent stays so.
        rgba = np.concatenate([made, source.rgba[..., 3:]], axis=2)
        return Picture(encode(rgba, plan.format), plan.format, plan.x, plan.y)
    composite = plan.masks.composite
    if plan.form is ResultForm.LAYER:
        samples = encode(layer(made, composite), plan.format)
    else:
        samples = merge(made, composite, source.raster, source.rgba, plan.format)
    return Picture(samples, plan.format, plan.x, plan.y)


def _scene(plan: ImagePlan) -> Scene:
    source, masks = plan.source, plan.masks
    return Scene(
        source=source.rgb if source is not None else None,
        known=source.known if source is not None else None,
        mask=masks.composite if masks is not None else None,
        tile_x=plan.tiling.x,
        tile_y=plan.tiling.y,
        check=plan.check,
    )
