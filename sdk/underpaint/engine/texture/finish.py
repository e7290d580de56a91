"""Of a painted picture, its islands and their padding."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from underpaint.engine.inpaint import blend, merge
from underpaint.engine.pixels import Raster, encode
from underpaint.engine.pixels.color import Floats
from underpaint.engine.texture.islands import Beyond, beyond
from underpaint.engine.texture.plan import IslandPlan
from underpaint.types import PixelFormat, ResultForm, RowOrder, Tiling


def finish_islands(
    made: Floats,
    islands: IslandPlan,
    composite: Floats | None,
    source: tuple[Raster, Floats] | None,
    form: ResultForm,
    format: PixelFormat,
    tiling: Tiling,
) -> npt.NDArray[np.generic]:
    """The result's samples in `format`. `made` is sRGB `(height, width, 3)`.

    `composite` says how much of it shows, None: all of it. `source` is what it was made from, as it came and
    as straight RGBA. Where nothing was painted, a merged picture keeps the source's samples, and a layer, or
    a picture from words, has alpha 0.0. Padding copies the finished pixel that is nearest.
    """
    inside = islands.inside
    cover = inside.astype(np.float32) if composite is None else composite
    ring = beyond(inside, cover > 0.0, islands.padding, wrap_x=tiling.x, wrap_y=tiling.y)
    if form is ResultForm.MERGED and source is not None:
        raster, rgba = source
        if composite is None:
            # Image to image repaints colour; what was transparent stays so.
            repainted = np.concatenate([made, rgba[..., 3:]], axis=2)
            samples = _kept(repainted, inside, raster, rgba, format)
        else:
            samples = merge(made, composite, raster, rgba, format)
        rows = samples[::-1] if format.row_order is RowOrder.BOTTOM_UP else samples
        rows[ring.rows, ring.columns] = rows[ring.from_rows, ring.from_columns]
        return samples
    return encode(_layer(made, cover, composite, source, ring), format)


def _layer(
    made: Floats,
    cover: Floats,
    composite: Floats | None,
    source: tuple[Raster, Floats] | None,
    ring: Beyond,
) -> Floats:
    alpha = cover[..., None]
    if composite is None and source is not None:
        alpha = alpha * source[1][..., 3:]
    rgba = np.concatenate([made, alpha], axis=2)
    # What half shows over the island would show over something else beside it: there it is mixed already.
    whole = rgba if composite is None or source is None else blend(made, composite, source[1])
    rgba[ring.rows, ring.columns] = whole[ring.from_rows, ring.from_columns]
    return rgba


def _kept(
    repainted: Floats, inside: npt.NDArray[np.bool_], raster: Raster, rgba: Floats, format: PixelFormat
) -> npt.NDArray[np.generic]:
    samples = encode(repainted, format)
    own = raster.samples if raster.format == format else encode(rgba, format)
    outside = ~inside[::-1] if format.row_order is RowOrder.BOTTOM_UP else ~inside
    samples[outside] = own[outside]
    return samples
