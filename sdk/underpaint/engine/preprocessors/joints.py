"""Where joints are in a box, by heat maps: the box as a network sees it, and peaks back in the picture.

Corner pixels of the box, of the network's picture and of its heat maps lie on each other (Huang et al., "The
Devil is in the Details: Delving into Unbiased Data Processing for Human Pose Estimation", 2020).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from underpaint.engine.pixels.color import Floats

_cv: Any = cv2

AROUND: Final = 1.25
"""How much larger than a person the part is that a network looks at."""
_KERNEL: Final = 11
_SIGMA: Final = 0.8
_FAINT, _STRONG = 1e-3, 50.0


@dataclass(frozen=True, slots=True)
class Box:
    """A part of a picture, in pixels: its middle and its size."""

    x: float
    y: float
    width: float
    height: float

    @classmethod
    def around(cls, left: float, top: float, width: float, height: float, aspect: float) -> Box:
        """The box that a network of this aspect (width by height) looks at, for a person in that one."""
        wide, tall = max(width, height * aspect), max(height, width / aspect)
        return cls(left + width / 2.0, top + height / 2.0, wide * AROUND, tall * AROUND)

    def cut(self, picture: npt.NDArray[np.uint8], width: int, height: int) -> npt.NDArray[np.uint8]:
        """The part of a picture at another size; black where the picture ends."""
        across, down = (width - 1) / self.width, (height - 1) / self.height
        moved = np.array(
            [
                [across, 0.0, across * (self.width / 2.0 - self.x)],
                [0.0, down, down * (self.height / 2.0 - self.y)],
            ]
        )
        # Of floats: OpenCV's 8-bit way rounds the places to 1/32 of a pixel.
        scaled = _cv.warpAffine(picture.astype(np.float32), moved, (width, height), flags=cv2.INTER_LINEAR)
        return np.asarray(np.rint(scaled), np.uint8)

    def back(self, points: Floats, width: int, height: int) -> Floats:
        """Points `(points, 2)` of a map of that size over the box, as places in the picture."""
        share = points / np.array([width - 1, height - 1], np.float32) - 0.5
        return np.asarray(share * [self.width, self.height] + [self.x, self.y], np.float32)


def peaks(maps: Floats) -> Floats:
    """The highest point of each heat map `(joints, height, width)`: x, y, height, as `(joints, 3)`.

    Between the pixels by Taylor's formula on the logarithm of the softened map, by a pixel at most (Zhang et
    al., "Distribution-Aware Coordinate Representation for Human Pose Estimation", 2020).
    """
    found = np.empty((len(maps), 3), np.float32)
    for number, heat in enumerate(maps):
        row, column = (int(value) for value in np.unravel_index(int(heat.argmax()), heat.shape))
        across, down = _beside(heat, row, column)
        found[number] = column + across, row + down, heat[row, column]
    return found


def _beside(heat: Floats, row: int, column: int) -> tuple[float, float]:
    """From a pixel to the peak beside it: minus the inverse of the second derivatives times the first."""
    soft = _cv.GaussianBlur(heat, (_KERNEL, _KERNEL), _SIGMA, borderType=cv2.BORDER_REFLECT)
    rounded = np.pad(np.log(np.clip(soft, _FAINT, _STRONG)), 1, mode="edge")
    near = rounded[row : row + 3, column : column + 3].astype(np.float64)
    here, left, right, above, below = near[1, 1], near[1, 0], near[1, 2], near[0, 1], near[2, 1]
    slope = np.array([(right - left) / 2.0, (below - above) / 2.0])
    # The mixed one from six neighbours (Abramowitz and Stegun, 25.3.27).
    mixed = (near[2, 2] + near[0, 0] - right - left - above - below + 2.0 * here) / 2.0
    bend = np.array([[right - 2.0 * here + left, mixed], [mixed, below - 2.0 * here + above]])
    bend += np.finfo(np.float32).eps * np.eye(2)
    if abs(np.linalg.det(bend)) < np.finfo(np.float64).tiny:
        return 0.0, 0.0
    across, down = np.clip(-np.linalg.solve(bend, slope), -1.0, 1.0)
    return float(across), float(down)
