"""The made picture back into the source's place."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from underpaint.engine.pixels.canonical import Raster, encode
from underpaint.engine.pixels.color import Floats
from underpaint.types import PixelFormat, RowOrder


def layer(made: Floats, composite: Floats) -> Floats:
    """Straight RGBA to lay over the canvas: the made colours everywhere, alpha from the composite mask.

    Colour goes on under low and zero alpha: a host that scales or filters the layer finds no dark fringe.
    """
    return np.concatenate([made, composite[..., None]], axis=2)


def blend(made: Floats, composite: Floats, canonical: Floats) -> Floats:
    """Straight RGBA: the made colours over `canonical`, as far as `composite` says."""
    cover = composite[..., None]
    alpha = canonical[..., 3:]
    total = cover + alpha * (1.0 - cover)
    color = made * cover + canonical[..., :3] * alpha * (1.0 - cover)
    color = np.divide(color, total, out=np.array(canonical[..., :3]), where=total > 0.0)
    return np.concatenate([color, total], axis=2)


def merge(
    made: Floats, composite: Floats, source: Raster, canonical: Floats, format: PixelFormat
) -> npt.NDArray[np.generic]:
    """The source with the made picture blended in, encoded in `format`.

    `canonical` is the source as straight RGBA. Where `composite` is 0.0, the result holds the source's own
    samples bit by bit if it has the source's format, and their conversion otherwise.
    """
    samples = encode(blend(made, composite, canonical), format)
    kept = composite <= 0.0
    own = source.samples
    if source.format != format:
        own = encode(canonical, format)
    if format.row_order is RowOrder.BOTTOM_UP:
        kept = kept[::-1]
    samples[kept] = own[kept]
    return samples
