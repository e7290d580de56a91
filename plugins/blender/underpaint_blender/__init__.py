# SPDX-License-Identifier: GPL-3.0-or-later
"""underpaint in Blender: textures and fills in the Image Editor, and `bpy.ops.underpaint.*` for scripts."""

from __future__ import annotations

from . import (
    controlops,
    loraops,
    materials,
    operators,
    properties,
    regionops,
    runtime,
    thumbnail,
    ui,
    verbs,
)

_PARTS = (thumbnail, properties, operators, materials, verbs, ui, controlops, regionops, loraops, runtime)


def register() -> None:
    """Called by Blender when the extension is enabled."""
    for part in _PARTS:
        part.register()


def unregister() -> None:
    """Called by Blender when the extension is disabled or Blender ends."""
    for part in reversed(_PARTS):
        part.unregister()
