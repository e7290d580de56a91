"""In Blender: a wall with a hole, filled in the Image Editor, beside the same wall in the 3D view.

Arguments: painting and mask (files), prompt, seed.
"""

from __future__ import annotations

import importlib
import subprocess
from collections.abc import Iterator
from typing import Any

import bpy

from tests.hosts.drivers.hostscript import Host

PACKAGE = "bl_ext.user_default.underpaint"


def main(host: Host) -> Iterator[None]:
    values = host.arguments
    runtime = importlib.import_module(f"{PACKAGE}.runtime")
    image, mask = bpy.data.images.load(values["painting"]), bpy.data.images.load(values["mask"])
    image.name, mask.name = "wall", "wall-mask"
    settings = bpy.context.scene.underpaint
    settings.prompt, settings.mask = values["prompt"], mask
    settings.random_seed, settings.seed = False, values["seed"]
    screen = bpy.context.window_manager.windows[0].screen
    view = max(screen.areas, key=lambda area: area.width * area.height)
    wall_in(view, image)
    bpy.context.preferences.system.use_region_overlap = False  # the sidebar beside the image, not over it
    for kind in ("DOPESHEET_EDITOR", "PROPERTIES", "OUTLINER"):
        closed = next(area for area in screen.areas if area.type == kind)
        with bpy.context.temp_override(window=bpy.context.window_manager.windows[0], area=closed):
            bpy.ops.screen.area_close()
        yield from host.wait(0.3)
    view = next(area for area in screen.areas if area.type == "VIEW_3D")
    bpy.ops.underpaint.refresh_models()
    window = bpy.context.window_manager.windows[0]
    with bpy.context.temp_override(window=window, area=view, region=part(view, "WINDOW")):
        bpy.ops.screen.area_split(direction="VERTICAL", factor=0.42)
    yield from host.wait(0.5)
    editor = max((area for area in screen.areas if area.type == "VIEW_3D"), key=lambda area: area.x)
    editor.type = "IMAGE_EDITOR"
    editor.spaces.active.image = image
    editor.spaces.active.show_region_ui = True
    yield from host.wait(0.5)
    part(editor, "UI").active_panel_category = "Underpaint"
    with bpy.context.temp_override(window=window, area=editor, region=part(editor, "WINDOW")):
        bpy.ops.image.view_all(fit_view=True)
        bpy.ops.underpaint.fill_mask("INVOKE_DEFAULT")
    session = runtime.session()
    yield from host.until(lambda: not session.tasks, 300, "the picture")
    subprocess.run(["xdotool", "mousemove", "300", "860"], check=True)
    yield from host.wait(3)
    host.report(picture=host.screenshot("blender.png"), layers=[image.name for image in bpy.data.images])


def part(area: Any, kind: str) -> Any:
    return next(region for region in area.regions if region.type == kind)


def wall_in(area: Any, image: Any) -> None:
    """The painting on the default cube's place, seen as it is, from the front."""
    for thing in list(bpy.data.objects):
        bpy.data.objects.remove(thing)
    bpy.ops.mesh.primitive_plane_add(size=2, rotation=(1.5708, 0, 0))
    plane = bpy.context.object
    plane.name = "Wall"
    plane.scale = (image.size[0] / image.size[1], 1, 1)
    material = bpy.data.materials.new("Wall")
    material.use_nodes = True
    nodes = material.node_tree.nodes
    texture = nodes.new("ShaderNodeTexImage")
    texture.image = image
    material.node_tree.links.new(texture.outputs["Color"], nodes["Principled BSDF"].inputs["Base Color"])
    nodes.active = texture
    plane.data.materials.append(material)
    plane.select_set(False)
    space = area.spaces.active
    space.shading.type, space.shading.color_type = "SOLID", "TEXTURE"
    space.overlay.show_cursor = space.overlay.show_relationship_lines = False
    space.region_3d.view_rotation = (0.72, 0.66, 0.14, 0.16)
    space.region_3d.view_distance = 4.2
