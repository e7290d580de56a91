# SPDX-License-Identifier: GPL-3.0-or-later
"""The UV islands of an image: the faces that show it, of every mesh whose material uses it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from underpaint.host import AttachedIslands, HostAdapter
from underpaint.types import MASK_FORMAT, Bounds, Image

from .rasterise import covered


def attached(
    context: bpy.types.Context, image: bpy.types.Image | None, padding: int
) -> AttachedIslands | None:
    """The islands of `image`, if the active object is a mesh whose material shows it; else None."""
    active = context.view_layer.objects.active
    if image is None or active is None or not any(_showing(active, image)):
        return None
    return AttachedIslands(read=partial(_read, image.name), padding=padding)


def _read(name: str, _adapter: HostAdapter, document_id: str, _bounds: Bounds) -> Callable[[Bounds], Image]:
    """Reads coordinates; what is returned draws them, away from the main thread."""
    image = bpy.data.images[name]
    triangles = [_triangles(item, image) for item in bpy.data.objects if any(_showing(item, image))]
    whole = np.concatenate(triangles) if triangles else np.zeros((0, 3, 2))
    # A new picture takes the image's place on the mesh, at a size of its own.
    return partial(_mask, whole, tuple(image.size) if document_id else None)


def _mask(triangles: NDArray[np.float64], size: tuple[int, int] | None, part: Bounds) -> Image:
    width, height = size or (part.width, part.height)
    bottom = height - part.bottom
    found = covered(triangles, width, height, part.x, bottom, part.width, part.height)[::-1]
    data = (found * np.uint8(255)).tobytes()
    return Image(part.width, part.height, data, MASK_FORMAT, part.x, part.y)


def _showing(item: bpy.types.Object, image: bpy.types.Image) -> Iterator[tuple[int, str]]:
    """Slots of an object's materials that show the image, and the UV map that each names ("": the mesh's)."""
    if item.type != "MESH" or not item.data.uv_layers:
        return
    for number, slot in enumerate(item.material_slots):
        if slot.material is None or not slot.material.use_nodes:
            continue
        for node in slot.material.node_tree.nodes:
            if node.type == "TEX_IMAGE" and node.image == image:
                links = node.inputs["Vector"].links
                source: Any = links[0].from_node if links else None
                yield number, source.uv_map if source is not None and source.type == "UVMAP" else ""


def _triangles(item: bpy.types.Object, image: bpy.types.Image) -> NDArray[np.float64]:
    """UV coordinates of the faces that show the image, `(count, 3, 2)`."""
    if item.mode == "EDIT":
        item.update_from_editmode()
    mesh = item.data
    mesh.calc_loop_triangles()
    count = len(mesh.loop_triangles)
    corners, slots = np.empty(count * 3, np.int32), np.empty(count, np.int32)
    mesh.loop_triangles.foreach_get("loops", corners)
    mesh.loop_triangles.foreach_get("material_index", slots)
    corners = corners.reshape(count, 3)
    found = []
    for number, name in sorted(set(_showing(item, image))):
        layer = mesh.uv_layers.get(name) or next(one for one in mesh.uv_layers if one.active_render)
        points = np.empty(len(layer.uv) * 2, np.float32)
        layer.uv.foreach_get("vector", points)
        found.append(points.reshape(-1, 2)[corners[slots == number]].astype(np.float64))
    return np.concatenate(found)
