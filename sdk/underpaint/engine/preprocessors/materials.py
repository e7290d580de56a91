"""A photograph's surface, guessed: height, normals, roughness, ambient occlusion, by image processing alone.

A picture does not hold these. Light is taken for high and dark for low, once uneven lighting is removed; all
four maps follow from that one height, so that they fit each other. With `from_height` the picture *is* the
height, drawn by hand or made by somebody's network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from underpaint.engine.pixels.color import Floats
from underpaint.engine.pixels.cv import to_lab
from underpaint.engine.preprocessors import fields
from underpaint.types import Tiling

Check = Callable[[], None]

LIGHTNESS = 100.0
"""Lightness in Lab runs to this."""
TAILS = (1.0, 99.0)
"""Percentiles of the height that become black and white: a few bright specks do not flatten the rest."""
FAINTEST = 0.05
"""A range of lightness that is never stretched to the full height: it may be noise."""


def height_map(picture: Floats, parameters: Mapping[str, float], check: Check) -> Floats:
    """0.0 for the lowest, 1.0 for the highest; a plain picture lies at 0.5."""
    tiling = tiling_of(parameters)
    lightness = to_lab(picture[..., :3])[..., 0] / np.float32(LIGHTNESS)
    check()
    bumps = fields.soften(lightness, parameters["smooth"], tiling)
    if parameters["flatten"] > 0.0:
        check()
        bumps = bumps - fields.soften(bumps, parameters["flatten"] * min(bumps.shape), tiling)
    low, high = (float(value) for value in np.percentile(bumps, TAILS))
    spread = max(high - low, FAINTEST) * (-1.0 if parameters["invert"] >= 0.5 else 1.0)
    return np.asarray(np.clip((bumps - (low + high) / 2.0) / spread + 0.5, 0.0, 1.0), np.float32)


def normal_map(picture: Floats, parameters: Mapping[str, float], check: Check) -> Floats:
    """Tangent-space normals, OpenGL's convention: red right, green up, blue at the viewer; 0.5 is zero.

    With `directx` green points down.
    """
    found = fields.normals(_relief(picture, parameters, check), tiling_of(parameters))
    if parameters["directx"] >= 0.5:
        found[..., 1] *= -1.0
    return np.asarray(found * 0.5 + 0.5, np.float32)


def roughness_map(picture: Floats, parameters: Mapping[str, float], check: Check) -> Floats:
    """As Disney's and glTF's materials mean it: the square root of the microfacets' alpha.

    What is uneven in the large is taken to be so in the small: the slopes' variance within `scale` pixels,
    times `share` squared, adds to alpha squared (Beckmann's alpha is √2 times the slopes' deviation; that
    variances add is Olano and Baker, "LEAN mapping", 2010).
    """
    tiling = tiling_of(parameters)
    variance = np.zeros(picture.shape[:2], np.float32)
    for slope in fields.slopes(_relief(picture, parameters, check), tiling):
        check()
        mean = fields.soften(slope, parameters["scale"], tiling)
        variance += np.maximum(fields.soften(slope**2, parameters["scale"], tiling) - mean**2, 0.0)
    alpha_squared = parameters["base"] ** 4 + parameters["share"] ** 2 * variance
    return np.asarray(np.clip(alpha_squared, 0.0, 1.0) ** 0.25, np.float32)


def occlusion_map(picture: Floats, parameters: Mapping[str, float], check: Check) -> Floats:
    """How much of the sky each point sees, 1.0 for all of it; see `fields.sky`."""
    seen = fields.sky(
        _relief(picture, parameters, check), round(parameters["radius"]), tiling_of(parameters), check
    )
    return np.asarray(np.clip(1.0 - parameters["strength"] * (1.0 - seen), 0.0, 1.0), np.float32)


def tiling_of(parameters: Mapping[str, float]) -> Tiling:
    """Which edges meet, by `wrap_x` and `wrap_y`."""
    x, y = parameters["wrap_x"] >= 0.5, parameters["wrap_y"] >= 0.5
    return Tiling(("x" if x else "") + ("y" if y else "") or "none")


def _relief(picture: Floats, parameters: Mapping[str, float], check: Check) -> Floats:
    """The height in pixels, white `relief` above black."""
    if parameters["from_height"] >= 0.5:
        height = picture[..., :3].mean(axis=2, dtype=np.float32)
        height = fields.soften(height, parameters["smooth"], tiling_of(parameters))
        if parameters["invert"] >= 0.5:
            height = 1.0 - height
    else:
        height = height_map(picture, parameters, check)
    check()
    return np.asarray(height * np.float32(parameters["relief"]), np.float32)
