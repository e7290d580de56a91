"""A texture whose islands go on a little beyond their edges; the source's alpha says where they are."""

from __future__ import annotations

from underpaint.engine.pixels.color import Floats
from underpaint.engine.postprocessing import Scene
from underpaint.engine.texture.islands import pad_islands

PADDING_PX = 16
"""How far, in pixels: Blender's margin for baking."""
INSIDE = 0.5
"""From so much alpha on, a pixel is inside an island."""


def pad(picture: Floats, scene: Scene) -> Floats:
    """The picture, padded; unchanged where the source is opaque everywhere, or there is none."""
    if scene.known is None:
        return picture
    return pad_islands(picture, scene.known >= INSIDE, PADDING_PX, wrap_x=scene.tile_x, wrap_y=scene.tile_y)
