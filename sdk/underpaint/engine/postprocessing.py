"""Post-processors that a request names, run on the decoded picture before it is composited.

So compositing has the last word: where the composite mask is 0.0, the source's pixels stay, bit by bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from underpaint.engine.functions import blaming, load
from underpaint.engine.pixels.color import Floats
from underpaint.worker_v1.worker_service_pb2 import PluginFunction


@dataclass(frozen=True)
class Scene:
    """What lies around a finished picture. Arrays are float32, 0.0 to 1.0, top row first, of its size."""

    source: Floats | None = None
    """RGB `(height, width, 3)` that it was made from, transparent parts filled; None for words alone."""
    known: Floats | None = None
    """How opaque the source is, `(height, width)`; None as above."""
    mask: Floats | None = None
    """How much of the picture will show, `(height, width)`; None if all of it."""
    tile_x: bool = False
    """Whether left and right edge meet."""
    tile_y: bool = False
    """Whether top and bottom edge meet."""
    check: Callable[[], None] = lambda: None
    """Raises `JobCancelled` if the job was cancelled."""


def postprocess(picture: Floats, scene: Scene, functions: Iterable[PluginFunction]) -> Floats:
    """The picture, RGB `(height, width, 3)`, after every function in turn. Raises `PluginFailed`."""
    for function in functions:
        scene.check()
        process = load(function)
        with blaming(function.name):
            made = np.asarray(process(picture, scene), np.float32)
            if made.shape != picture.shape:
                raise ValueError(f"it returned an array of shape {made.shape}; {picture.shape} was due")
        picture = np.clip(np.nan_to_num(made, nan=0.0), 0.0, 1.0)
    return picture
