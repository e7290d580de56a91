"""OpenCV's functions on float32 arrays, with float32 arrays for results."""

from __future__ import annotations

from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt

from underpaint.engine.pixels.color import Floats
from underpaint.errors import PluginFailed

_cv: Any = cv2
SHIFTS = 4
"""Rounds of laying pieces into a hole: what one has filled, the next one goes on with."""
FEW = 0.01
"""The share of a hole that is painted over instead."""


def resized(picture: Floats, width: int, height: int, interpolation: int) -> Floats:
    """A picture `(rows, columns[, channels])` at another size, with as many axes as before."""
    scaled = _cv.resize(np.ascontiguousarray(picture), (width, height), interpolation=interpolation)
    return cast(Floats, scaled.reshape(height, width, *picture.shape[2:]))


def distances(inside: npt.NDArray[np.bool_]) -> Floats:
    """Euclidean distance of each pixel of `inside` to the nearest one outside; 0.0 outside."""
    return cast(Floats, _cv.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE))


def nearest_outside(inside: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """For each pixel the flat index of a nearest one that is not `inside`, by a chamfer distance of 5 x 5.

    At least one pixel must be outside.
    """
    _, labels = _cv.distanceTransformWithLabels(
        inside.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    indices = np.zeros(int(labels.max()) + 1, np.intp)
    indices[labels[~inside]] = np.flatnonzero(~inside)
    return cast("npt.NDArray[np.intp]", indices[labels])


def islands(inside: npt.NDArray[np.bool_]) -> tuple[int, npt.NDArray[np.int32]]:
    """Number of labels and the label of each pixel's island; label 0 is what lies outside."""
    count, labels = _cv.connectedComponents(inside.astype(np.uint8))
    return int(count), cast("npt.NDArray[np.int32]", labels)


def eroded(inside: npt.NDArray[np.bool_], side: int) -> npt.NDArray[np.bool_]:
    """What is left of `inside` when squares of `side` pixels must lie in it wholly, or in what is beyond."""
    kernel = np.ones((side, side), np.uint8)
    return cast("npt.NDArray[np.bool_]", _cv.erode(inside.astype(np.uint8), kernel) > 0)


def shifted(picture: npt.NDArray[np.uint8], hole: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """RGB `(height, width, 3)` with pieces of what is around a hole moved into it.

    Shift maps: He and Sun 2012, https://doi.org/10.1007/978-3-642-33709-3_2. Needs OpenCV's extra modules.
    """
    if not hasattr(cv2, "xphoto"):
        raise PluginFailed(
            "OpenCV is here without its module xphoto, which carries a picture on into a hole: some package "
            "has put a smaller OpenCV there. pip install --force-reinstall opencv-contrib-python-headless"
        )
    made = _cv.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2Lab)
    lost = hole
    for _ in range(SHIFTS):
        made, lost = _shifted_once(made, lost)
        if lost.sum() <= FEW * hole.sum():
            break
    made = _cv.inpaint(made, lost.astype(np.uint8), 3.0, cv2.INPAINT_TELEA)
    return cast("npt.NDArray[np.uint8]", _cv.cvtColor(made, cv2.COLOR_Lab2RGB))


def _shifted_once(
    lab: npt.NDArray[np.uint8], hole: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """The picture with pieces in its hole, and where there still are none: too far from what is known."""
    made = np.zeros_like(lab)
    _cv.xphoto.inpaint(lab, np.where(hole, 0, 255).astype(np.uint8), made, _cv.xphoto.INPAINT_SHIFTMAP)
    # Every pixel should have come from somewhere.
    colors = [picture.astype(np.uint32) @ np.array([1, 256, 65536], np.uint32) for picture in (made, lab)]
    return made, hole & ~np.isin(colors[0], colors[1][~hole])


def island_boxes(inside: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """The label of each pixel's island, 0 outside, and for each label x, y, width and height."""
    _, labels, boxes, _ = _cv.connectedComponentsWithStats(inside.astype(np.uint8))
    return cast("npt.NDArray[np.int32]", labels), cast("npt.NDArray[np.int32]", boxes[:, :4])


def box_blurred(picture: Floats, side: int) -> Floats:
    """The mean of `side` x `side` pixels around each."""
    return cast(Floats, _cv.blur(picture, (side, side), borderType=cv2.BORDER_REPLICATE))


def to_lab(rgb: Floats) -> Floats:
    """sRGB as CIE Lab."""
    return cast(Floats, _cv.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2Lab))


def from_lab(lab: Floats) -> Floats:
    """CIE Lab as sRGB."""
    return cast(Floats, _cv.cvtColor(np.ascontiguousarray(lab, np.float32), cv2.COLOR_Lab2RGB))
