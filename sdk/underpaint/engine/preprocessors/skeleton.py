"""People as coloured bones on black: the picture that control nets for poses were trained with.

OpenPose's body of 18 points (Cao et al., "OpenPose: Realtime Multi-Person 2D Pose Estimation", 2019), as
ControlNet draws it: hues go once round the circle in the order of the points; bones are darker than joints.
"""

from __future__ import annotations

from collections.abc import Iterable
from colorsys import hsv_to_rgb
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from underpaint.engine.pixels.color import Floats

_cv: Any = cv2

POINTS: Final = (
    *("nose", "neck", "right shoulder", "right elbow", "right wrist"),
    *("left shoulder", "left elbow", "left wrist", "right hip", "right knee", "right ankle"),
    *("left hip", "left knee", "left ankle", "right eye", "left eye", "right ear", "left ear"),
)
"""Right and left are the person's own."""
BONES: Final = (
    *((1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10)),
    *((1, 11), (11, 12), (12, 13), (1, 0), (0, 14), (14, 16), (0, 15), (15, 17)),
)
"""From point to point, by their numbers. The first bone has the first point's colour, and so on."""
COLOURS: Final = tuple(
    tuple(round(255 * value) for value in hsv_to_rgb(number / len(POINTS), 1.0, 1.0))
    for number in range(len(POINTS))
)
"""Red, green and blue, 0 to 255, by point."""
SHADE: Final = 0.6
"""Of a bone's colour."""
HALF_WIDTH: Final = 4.0 / 512.0
"""Of a bone in its middle, and a joint's radius, in shares of the picture's shorter side."""

# COCO has nose, eyes, ears, shoulders, elbows, wrists, hips, knees, ankles, the left one first. No neck.
_COCO: Final = (0, None, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)
_SHOULDERS: Final = [5, 6]


def from_coco(people: Floats) -> Floats:
    """People `(people, 18, 3)` of COCO's `(people, 17, 3)`: x and y in pixels, and how sure that is.

    The neck is the middle of the shoulders, as sure as the less sure one.
    """
    shoulders = people[:, _SHOULDERS]
    neck = np.concatenate([shoulders[..., :2].mean(axis=1), shoulders[..., 2:].min(axis=1)], axis=1)
    points = [neck if number is None else people[:, number] for number in _COCO]
    return np.asarray(np.stack(points, axis=1), np.float32)


def drawn(people: Iterable[Floats], width: int, height: int, least: float = 0.0) -> Floats:
    """A picture `(height, width, 3)`, 0.0 to 1.0, of people as `from_coco` gives them.

    A point must be surer than `least`, and a bone needs both its ends. Later people lie over earlier ones.
    """
    canvas = np.zeros((height, width, 3), np.uint8)
    half = max(1.0, HALF_WIDTH * min(width, height))
    for person in people:
        seen = person[:, 2] > least
        for colour, (begin, end) in zip(COLOURS, BONES, strict=False):
            if seen[begin] and seen[end]:
                _bone(canvas, person[begin, :2], person[end, :2], half, colour)
        for number in np.flatnonzero(seen):
            place = tuple(float(value) for value in person[number, :2])
            _ellipse(canvas, place, (2.0 * half, 2.0 * half), 0.0, COLOURS[number])
    return np.asarray(canvas / np.float32(255.0), np.float32)


def _bone(
    canvas: npt.NDArray[np.uint8], begin: Floats, end: Floats, half: float, colour: tuple[int, ...]
) -> None:
    """As long as from point to point, thickest in the middle."""
    along = end - begin
    middle = tuple(float(value) for value in (begin + end) / 2.0)
    angle = float(np.degrees(np.arctan2(along[1], along[0])))
    shaded = tuple(round(SHADE * value) for value in colour)
    _ellipse(canvas, middle, (float(np.hypot(*along)), 2.0 * half), angle, shaded)


def _ellipse(
    canvas: npt.NDArray[np.uint8],
    middle: tuple[float, ...],
    axes: tuple[float, float],
    angle: float,
    colour: tuple[int, ...],
) -> None:
    _cv.ellipse(canvas, (middle, axes, angle), colour, cv2.FILLED, cv2.LINE_AA)
