"""Unsharp masking: details of a pixel or two stand out more."""

from __future__ import annotations

from typing import Any, cast

import cv2
import numpy as np

from underpaint.engine.pixels.color import Floats
from underpaint.engine.postprocessing import Scene

_cv: Any = cv2

SIGMA_PX = 1.2
AMOUNT = 0.6
"""Share of the difference to the blurred picture that is added."""
_BORDER = 6
"""Pixels that the blur looks at beyond an edge, at most."""


def sharpen(picture: Floats, scene: Scene) -> Floats:
    """The picture with its finest details raised; seamless pictures stay seamless."""
    blurred = _blurred(picture, wrap_x=scene.tile_x, wrap_y=scene.tile_y)
    return np.asarray(np.clip(picture + np.float32(AMOUNT) * (picture - blurred), 0.0, 1.0), np.float32)


def _blurred(picture: Floats, *, wrap_x: bool, wrap_y: bool) -> Floats:
    rows = _BORDER if wrap_y else 0
    columns = _BORDER if wrap_x else 0
    around = np.pad(picture, ((rows, rows), (columns, columns), (0, 0)), mode="wrap")
    soft = cast(Floats, _cv.GaussianBlur(around, (0, 0), SIGMA_PX, borderType=cv2.BORDER_REPLICATE))
    return soft[rows : rows + picture.shape[0], columns : columns + picture.shape[1]]
