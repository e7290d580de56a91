"""What is seen of layers: blended within the bounds that somebody asks for, and nowhere else.

Numbers are blended as they are: encoded in an sRGB document, as light in a linear one, as painting programs
do. Where the upper pixel is clear, or full, or nothing lies below it, its neighbour's bytes pass unchanged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from underpaint.testing.reference.layers import NORMAL, Group, Node, Nodes, PaintLayer
from underpaint.testing.reference.samples import (
    DTYPES,
    Coverage,
    Floats,
    Samples,
    flattened,
    from_floats,
    inside,
    to_floats,
    top_of,
)
from underpaint.types import Bounds, DataType

Blend = Callable[[Floats, Floats], Floats]


def _hard_light(below: Floats, above: Floats) -> Floats:
    return np.where(above <= 0.5, 2 * above * below, 1 - 2 * (1 - above) * (1 - below))


BLENDS: Final[dict[str, Blend]] = {
    NORMAL: lambda below, above: above,
    "svg:multiply": lambda below, above: below * above,
    "svg:screen": lambda below, above: below + above - below * above,
    "svg:overlay": lambda below, above: _hard_light(above, below),
    "svg:hard-light": _hard_light,
    "svg:darken": np.minimum,
    "svg:lighten": np.maximum,
    "svg:difference": lambda below, above: np.abs(below - above),
}
"""The separable modes of W3C's compositing specification that need no more than a line."""


def merged(layers: Nodes, bounds: Bounds, data_type: DataType) -> Samples:
    """The visible picture within `bounds`; transparent where nothing lies."""
    seen = np.zeros((bounds.height, bounds.width, 4), DTYPES[data_type])
    _paint(layers, bounds, seen, fresh=True)
    return seen


def own_pixels(node: Node, bounds: Bounds, data_type: DataType) -> Samples:
    """One layer's pixels within `bounds`, whether it is visible or not, at full opacity.

    Of a group, what is visible in it.
    """
    if isinstance(node, Group):
        return merged(node.layers, bounds, data_type)
    found = np.zeros((bounds.height, bounds.width, 4), DTYPES[data_type])
    part = node.bounds.intersect(bounds)
    if not part.is_empty:
        found[inside(part, bounds)] = node.samples[inside(part, node.bounds)]
    return found


def coverage_of(node: Node, bounds: Bounds, data_type: DataType) -> Coverage:
    """How much of each pixel a layer covers: its alpha, 0 to 255."""
    alpha = own_pixels(node, bounds, data_type)[..., 3]
    if alpha.dtype.kind == "f":
        return np.asarray(from_floats(to_floats(alpha), DTYPES[DataType.U8]), np.uint8)
    return flattened(alpha)


def _paint(layers: Nodes, bounds: Bounds, seen: Samples, *, fresh: bool) -> bool:
    """Paints layers over `seen`, the lowest first; True while nothing has been painted."""
    for node in reversed(layers):
        part = node.bounds.intersect(bounds)
        if not node.visible or node.opacity <= 0.0 or part.is_empty:
            continue
        if isinstance(node, PaintLayer):
            above = node.samples[inside(part, node.bounds)]
        elif node.isolated or node.opacity < 1.0 or node.blend != NORMAL:
            above = merged(node.layers, part, _data_type(seen))
        else:
            fresh = _paint(node.layers, bounds, seen, fresh=fresh)
            continue
        below = seen[inside(part, bounds)]
        if fresh and node.opacity >= 1.0:
            below[...] = above  # the lowest one keeps the colour under its alpha 0
        else:
            _over(below, above, node.opacity, BLENDS.get(node.blend, BLENDS[NORMAL]))
        fresh = False
    return fresh


def _over(below: Samples, above: Samples, opacity: float, blend: Blend) -> None:
    """Blends `above` over `below`, in place."""
    if opacity < 1.0:
        alpha = from_floats(to_floats(above[..., 3:]) * opacity, above.dtype)
        above = np.concatenate([above[..., :3], alpha], axis=2)
    full = top_of(above.dtype)
    visible = above[..., 3] > 0
    alone = below[..., 3] <= 0
    if blend is BLENDS[NORMAL]:
        alone |= above[..., 3] >= full
    below[visible & alone] = above[visible & alone]
    mixed = visible & ~alone
    if mixed.any():
        below[mixed] = from_floats(_mix(to_floats(below[mixed]), to_floats(above[mixed]), blend), below.dtype)


def _mix(below: Floats, above: Floats, blend: Blend) -> Floats:
    """Straight RGBA `(pixels, 4)` over another, both with alpha above 0."""
    under, over = below[:, 3:], above[:, 3:]
    alpha = over + under * (1 - over)
    own, ground = above[:, :3], below[:, :3]
    color = over * (1 - under) * own + under * (1 - over) * ground + under * over * blend(ground, own)
    return np.concatenate([color / alpha, alpha], axis=1)


def _data_type(samples: Samples) -> DataType:
    return next(kind for kind, dtype in DTYPES.items() if dtype == samples.dtype)
