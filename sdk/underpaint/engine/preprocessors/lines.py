"""Edges and lines, white on black: what control nets for lines were trained on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import cv2
import numpy as np

from underpaint.engine.pixels.color import Floats
from underpaint.engine.pixels.cv import to_lab

_cv: Any = cv2
Check = Callable[[], None]

LAB_RANGE = 100.0
"""Lightness runs to 100; distances in Lab are measured in it."""
BRIGHT_SHARE = 99.5
"""Percentile of the edge strengths that becomes white: a few extreme pixels do not darken the rest."""
FAINTEST = 0.02
"""An edge strength (of 1.0 for black on white) that is never stretched to white: it may be noise."""


def canny(picture: Floats, parameters: Mapping[str, float], check: Check) -> Floats:
    """Thin edges, 0.0 or 1.0. Thresholds are gradients of an 8-bit picture, as everywhere."""
    low, high = sorted((parameters["low"], parameters["high"]))
    grey = _blurred(_grey(picture), parameters["blur"])
    edges = _cv.Canny(np.rint(grey * 255.0).astype(np.uint8), low, high, L2gradient=True)
    return np.asarray(edges > 0, np.float32)


def soft_edge(picture: Floats, parameters: Mapping[str, float], check: Check) -> Floats:
    """Edge strength in lightness and colour over three scales; the strongest edges are white."""
    lab = to_lab(_on_paper(picture)) / np.float32(LAB_RANGE)
    strength = np.zeros(picture.shape[:2], np.float32)
    for scale in (1.0, 2.0, 4.0):
        check()
        sigma = parameters["detail"] * scale
        soft = _blurred(lab, sigma)
        across, down = _cv.Scharr(soft, -1, 1, 0) / 32.0, _cv.Scharr(soft, -1, 0, 1) / 32.0
        # A blurred step's gradient falls with the blur: scaled back, every scale counts alike.
        np.maximum(strength, np.sqrt((across**2 + down**2).sum(axis=2)) * np.float32(sigma), out=strength)
    white = max(float(np.percentile(strength, BRIGHT_SHARE)), FAINTEST)
    return np.asarray(np.clip(strength / white * parameters["gain"], 0.0, 1.0), np.float32)


def line_art(picture: Floats, parameters: Mapping[str, float], check: Check) -> Floats:
    """What is darker than its surroundings at the scale of a line, and borders between light and dark."""
    sigma = parameters["width"] / 2.0
    grey = _grey(picture)
    darker = _blurred(grey, 1.6 * sigma) - _blurred(grey, sigma)
    return np.asarray(np.tanh(np.maximum(darker, 0.0) * (24.0 * parameters["contrast"])), np.float32)


def scribble(picture: Floats, parameters: Mapping[str, float], check: Check) -> Floats:
    """The main outlines as if drawn with a pen: 0.0 or 1.0, small things left out."""
    grey = np.rint(_blurred(_grey(picture), parameters["simplify"]) * 255.0).astype(np.uint8)
    # Thresholds follow the blur, which flattens gradients.
    high = max(2.0, 160.0 / (1.0 + parameters["simplify"]))
    edges = _cv.Canny(grey, high / 2.0, high, L2gradient=True)
    check()
    outlines, _ = _cv.findContours(edges, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    # A contour runs along both sides of a thin line.
    long = [line for line in outlines if len(line) >= 2 * parameters["shortest"]]
    canvas = np.zeros(grey.shape, np.uint8)
    _cv.drawContours(canvas, long, -1, 255, max(1, round(parameters["width"])))
    return np.asarray(canvas > 0, np.float32)


def straight_lines(picture: Floats, parameters: Mapping[str, float], check: Check) -> Floats:
    """Straight edges, 0.0 or 1.0, without what bends (Grompone von Gioi et al., "LSD", 2012)."""
    grey = np.rint(_grey(picture) * 255.0).astype(np.uint8)
    found = _cv.createLineSegmentDetector().detect(grey)[0]
    check()
    canvas = np.zeros(grey.shape, np.uint8)
    lines = np.empty((0, 4), np.float32) if found is None else found.reshape(-1, 4)
    long = np.hypot(*(lines[:, 2:] - lines[:, :2]).T) >= parameters["shortest"]
    for left, top, right, bottom in np.rint(lines[long]).astype(int).tolist():
        _cv.line(canvas, (left, top), (right, bottom), 255, round(parameters["width"]))
    return np.asarray(canvas > 0, np.float32)


def _on_paper(picture: Floats) -> Floats:
    """As a drawing on white paper: of strokes on an empty layer, colours from nearby would leave nothing."""
    alpha = picture[..., 3:]
    return np.ascontiguousarray(picture[..., :3] * alpha + (1.0 - alpha), np.float32)


def _grey(picture: Floats) -> Floats:
    return cast(Floats, _cv.cvtColor(_on_paper(picture), cv2.COLOR_RGB2GRAY))


def _blurred(picture: Floats, sigma: float) -> Floats:
    if sigma <= 0.0:
        return picture
    return cast(Floats, _cv.GaussianBlur(picture, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE))
