"""What control nets see of a picture, and how well a picture keeps to it.

A line drawing is white on black and one or two pixels wide, a height map is bright where the
surface is high: what stock control-net pipelines expect.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .materials import Map, Pattern
from .materials.base import unit
from .render import Picture

Mask = NDArray[np.bool_]

FLAT = 0.09
"""Spread of a height map under which the surface counts as printed and not formed."""


def _grown(mask: Mask, reach: int) -> Mask:
    """Everything within ``reach`` pixels (a diamond, nearly a disc); wraps."""
    result = mask
    for k in range(reach):
        around = result
        for axis in (0, 1):
            around = around | np.roll(result, 1, axis) | np.roll(result, -1, axis)
        if k % 2:  # every second step goes diagonally too
            for shift in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
                around = around | np.roll(result, shift, (0, 1))
        result = around
    return result


def outline(pattern: Pattern) -> Mask:
    """``[256, 256]``: the structure's lines as a pen draws them; broad ones as their contour."""
    line = pattern.line > 0.5
    return np.asarray(line & ~_eroded(line), np.bool_)


def _eroded(mask: Mask) -> Mask:
    return ~_grown(~mask, 1)


def height(pattern: Pattern) -> Map:
    """``[256, 256]`` 0..1 over the full range. What is printed and not formed counts as ink
    that lies on the ground, since a flat map would say nothing."""
    values = pattern.height
    if float(values.std()) < FLAT:
        values = pattern.accent if float(pattern.accent.std()) > FLAT else pattern.tone
    return unit(values)


def edges(picture: Picture, strong: float = 0.3) -> Mask:
    """``[256, 256]``: where brightness or colour changes most, thinned to a line; wraps."""
    values = picture.astype(np.float32) / 255.0
    for axis in (0, 1):  # a binomial blur, against grain
        values = (np.roll(values, 1, axis) + 2 * values + np.roll(values, -1, axis)) / 4
        values = (np.roll(values, 1, axis) + 2 * values + np.roll(values, -1, axis)) / 4
    gx = (np.roll(values, -1, 1) - np.roll(values, 1, 1)).sum(2)
    gy = (np.roll(values, -1, 0) - np.roll(values, 1, 0)).sum(2)
    size = np.hypot(gx, gy)
    level = strong * float(np.percentile(size, 98.0))
    flat = np.abs(gx) > np.abs(gy)
    ahead = np.where(flat, np.roll(size, -1, 1), np.roll(size, -1, 0))
    behind = np.where(flat, np.roll(size, 1, 1), np.roll(size, 1, 0))
    return np.asarray((size >= ahead) & (size > behind) & (size > level), np.bool_)


def agreement(drawn: Mask, found: Mask, reach: int = 2) -> float:
    """F1 of two line drawings, where lines within ``reach`` pixels count as the same."""
    if not drawn.any() or not found.any():
        return 0.0
    precision = float((found & _grown(drawn, reach)).sum() / found.sum())
    recall = float((drawn & _grown(found, reach)).sum() / drawn.sum())
    return 2 * precision * recall / max(precision + recall, 1e-9)


def shown(values: Map) -> Picture:
    """A drawing 0..1 as the grey picture ``[256, 256, 3]`` that a pipeline takes."""
    return np.repeat((values * 255).round().astype(np.uint8)[..., None], 3, 2)
