"""In Blender: a material of a cube from a painted image, through the operator."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import bpy
import numpy as np

from tests.hosts.drivers.hostscript import Host
from tests.hosts.scripts.blender_fills import PACKAGE, make, read, start


def waves(edge: int) -> Any:
    """Light waves across the picture, seamless, RGBA."""
    x = np.tile(np.arange(edge), (edge, 1))
    light = 0.5 + 0.3 * np.sin(x * 2 * np.pi / 20)
    return np.stack([light, light * 0.8, light * 0.6, np.ones_like(light)], axis=2).astype(np.float32)


def wired(material: Any, node: str, socket: str) -> str:
    """What is linked to a socket, and for an image its name."""
    for link in material.node_tree.links:
        if link.to_node.bl_idname == node and link.to_socket.identifier == socket:
            image = getattr(link.from_node, "image", None)
            return image.name if image else link.from_node.bl_idname
    return ""


def main(host: Host) -> Iterator[None]:
    runtime = importlib.import_module(f"{PACKAGE}.runtime")
    make("Wall", waves(100))
    cube = bpy.data.objects["Cube"]
    bpy.context.view_layer.objects.active = cube
    before = {image.name for image in bpy.data.images}
    # The colour's own texture, before anything is made of it.
    start("make_material", image="Wall", relief=5.0)
    yield from host.until(lambda: not runtime.session().tasks, 300, "the maps")
    yield from host.wait(0.2)
    material = cube.active_material
    tree = material.node_tree
    moved = next(node for node in tree.nodes if node.bl_idname == "ShaderNodeDisplacement")
    mixed = next(node for node in tree.nodes if node.bl_idname == "ShaderNodeMix")
    normal, height = read(bpy.data.images["Normal of Wall"]), read(bpy.data.images["Height of Wall"])
    host.report(
        notices=[notice.text for notice in runtime.adapter().notices],
        made=sorted({image.name for image in bpy.data.images} - before),
        material=material.name,
        spaces={
            image.name: image.colorspace_settings.name
            for image in bpy.data.images
            if image.name not in before
        },
        sizes=[list(image.size) for image in bpy.data.images if image.name not in before],
        float_height=bpy.data.images["Height of Wall"].is_float,
        packed=all(image.packed_file for image in bpy.data.images if image.name not in before),
        shader={
            name: wired(material, "ShaderNodeBsdfPrincipled", name)
            for name in ("Base Color", "Roughness", "Normal")
        },
        color={name: wired(material, "ShaderNodeMix", name) for name in ("A_Color", "B_Color")},
        blend=[
            mixed.data_type,
            mixed.blend_type,
            next(s for s in mixed.inputs if s.identifier == "Factor_Float").default_value,
        ],
        normal=wired(material, "ShaderNodeNormalMap", "Color"),
        height=wired(material, "ShaderNodeDisplacement", "Height"),
        output={
            name: wired(material, "ShaderNodeOutputMaterial", name) for name in ("Surface", "Displacement")
        },
        scale=moved.inputs["Scale"].default_value,
        # A wave rises to the right for x just above 0: the normal leans left there, by as much.
        leans=[float(normal[50, 0, 0]), float(normal[50, 10, 0]), float(normal[..., 2].min())],
        between_bytes=float(np.abs(height[..., 0] * 255.0 - np.rint(height[..., 0] * 255.0)).max()),
        longest_ms=runtime.session().meter.longest_ms,
    )
