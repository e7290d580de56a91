"""Pictures of colour, of surfaces, of coverage."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import cv2
import numpy as np

from underpaint.engine.pixels.color import Floats
from underpaint.engine.preprocessors import fields
from underpaint.types import Tiling

_cv: Any = cv2
Check = Callable[[], None]


def blur(picture: Floats, parameters: Mapping[str, float], check: Check) -> Floats:
    """The picture without its details: what a tile control net invents new ones for."""
    sigma = parameters["radius"] / 2.0
    color = np.ascontiguousarray(picture[..., :3])
    return cast(Floats, _cv.GaussianBlur(color, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE))


def normal_from_depth(picture: Floats, parameters: Mapping[str, float], check: Check) -> Floats:
    """Tangent-space normals: red points right, green up, blue out of the picture; 0.5 is zero.

    The picture's lightness is taken for nearness: white lies `relief` pixels above black.
    """
    depth = picture[..., :3].mean(axis=2, dtype=np.float32)
    if parameters["near_is_black"] >= 0.5:
        depth = 1.0 - depth
    if parameters["smooth"] > 0.0:
        depth = _cv.GaussianBlur(depth, (0, 0), parameters["smooth"], borderType=cv2.BORDER_REPLICATE)
    check()
    found = fields.normals(depth * np.float32(parameters["relief"]), Tiling.NONE)
    return np.asarray(found * 0.5 + 0.5, np.float32)


def transparent_parts(picture: Floats, parameters: Mapping[str, float], check: Check) -> Floats:
    """1.0 where there is nothing yet, between on soft edges: a mask for painting into what is empty."""
    return np.asarray(1.0 - picture[..., 3], np.float32)
