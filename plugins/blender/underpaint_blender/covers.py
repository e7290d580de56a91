# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that say where: what one covers of a picture, as a mask."""

from __future__ import annotations

import bpy
import numpy as np

from underpaint.errors import PlaceGone
from underpaint.hookspecs import ControlSource
from underpaint.host import HostAdapter
from underpaint.types import MASK_FORMAT, Bounds, Image

from . import pixels

IMAGE = "image"
"""The source of our own: any image of the file."""


def image_names(_adapter: HostAdapter, _document_id: str) -> dict[str, str]:
    """Images with pixels that can be read."""
    return {image.name: image.name for image in bpy.data.images if image.type != "RENDER_RESULT"}


def read_cover(adapter: HostAdapter, document_id: str, bounds: Bounds, choice: str) -> Image:
    """What an image covers, scaled over the document as a mask; over `bounds` where there is none.

    By its alpha where any of it is transparent, else by its lightness: white covers. Raises `PlaceGone`.
    """
    image = bpy.data.images.get(choice)
    if image is None:
        raise PlaceGone(f"The image {choice!r} is no longer in this file: choose another one.")
    whole = adapter.canvas().bounds if document_id else bounds
    size = whole.width, whole.height
    rgba = (
        pixels.four_channels(pixels.read(image)) if tuple(image.size) == size else pixels.scaled(image, *size)
    )
    alpha = rgba[..., 3]
    covered = alpha if alpha.min() < 1.0 else rgba[..., :3].mean(axis=2)
    left = bounds.x - whole.x
    place = Bounds(left, bounds.y - whole.y, bounds.width, bounds.height)
    # Blender's rows run upwards, a mask's downwards.
    part = covered[pixels.rows(whole.height, place), left : left + bounds.width][::-1]
    data = np.rint(part.clip(0.0, 1.0) * 255.0).astype(np.uint8).tobytes()
    return Image(bounds.width, bounds.height, data, MASK_FORMAT, bounds.x, bounds.y)


COVERS = ControlSource(name=IMAGE, title="Image", read=read_cover, choices=image_names)
