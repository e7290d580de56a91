# SPDX-License-Identifier: GPL-3.0-or-later
"""A material from one image: maps of its surface, and the shader that they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import bpy

from underpaint.errors import NoDocument
from underpaint.host import Task, TaskState

from . import runtime
from .adapter import undo_push
from .operators import FillMask, Verb

# The sockets of a Mix node for colours, which share their names with those for numbers.
_MIXED = "Result_Color"


class MakeMaterial(Verb, bpy.types.Operator):
    """Make height, normal, roughness and ambient occlusion maps of the image, and a material of them."""

    bl_idname = "underpaint.make_material"
    bl_label = "Make Material"
    bl_options = {"REGISTER"}

    image: bpy.props.StringProperty(name="Image", description="Its name", options={"SKIP_SAVE"})
    relief: bpy.props.FloatProperty(
        name="Relief",
        default=8.0,
        min=0.1,
        max=1024.0,
        description="Pixels from the lowest to the highest",
    )

    missing = FillMask.missing

    def start(self, context: bpy.types.Context) -> Task:
        """The maps; the material follows when they are there."""
        image = bpy.data.images.get(runtime.adapter().image)
        if image is None:
            raise NoDocument("No image: open or make one in the Image Editor, then try again.")
        active = context.view_layer.objects.active
        done = partial(_on_done, image.name, active.name if active else "", self.relief / max(image.size))
        settings = context.scene.underpaint
        return runtime.session().maps(settings.choices(), parameters={"relief": self.relief}, on_done=done)


def _on_done(image: str, owner: str, scale: float, task: Task) -> None:
    if task.state is not TaskState.PLACED or image not in bpy.data.images:
        return
    made = runtime.adapter().textures
    titles = ("Height", "Normal", "Roughness", "Ambient occlusion")
    maps = {title: bpy.data.images[made[f"{title} of {image}"]] for title in titles}
    material = build(bpy.data.images[image], maps, scale)
    target = bpy.data.objects.get(owner)
    if target is not None and target.type == "MESH":
        if target.data.materials:
            target.active_material = material
        else:
            target.data.materials.append(material)
    else:
        material.use_fake_user = True  # nobody shows it yet: it shall not go with the next save
    undo_push(f"Underpaint: material {material.name}")


def build(color: bpy.types.Image, maps: Mapping[str, bpy.types.Image], scale: float) -> bpy.types.Material:
    """A Principled BSDF with the maps connected.

    Ambient occlusion darkens the colour, normals bend the light, the height moves the surface where a mesh
    has vertices enough. `scale`: the height of white in lengths of the image, taken for one unit.
    """
    material = bpy.data.materials.new(color.name)
    material.use_nodes = True
    material.displacement_method = "DISPLACEMENT"  # a bump beside the normals would count twice
    tree = material.node_tree
    tree.nodes.clear()
    output = _node(tree, "ShaderNodeOutputMaterial", (600, 0))
    shader = _node(tree, "ShaderNodeBsdfPrincipled", (250, 0))
    shown = {title: _texture(tree, maps[title], -300 * row) for row, title in enumerate(maps, 1)}
    mixed = _node(tree, "ShaderNodeMix", (0, 150), data_type="RGBA", blend_type="MULTIPLY")
    _by_identifier(mixed.inputs, "Factor_Float").default_value = 1.0
    normal = _node(tree, "ShaderNodeNormalMap", (0, -500))
    moved = _node(tree, "ShaderNodeDisplacement", (250, -600))
    moved.inputs["Scale"].default_value = scale
    links = (
        (_texture(tree, color, 0).outputs["Color"], _by_identifier(mixed.inputs, "A_Color")),
        (shown["Ambient occlusion"].outputs["Color"], _by_identifier(mixed.inputs, "B_Color")),
        (_by_identifier(mixed.outputs, _MIXED), shader.inputs["Base Color"]),
        (shown["Roughness"].outputs["Color"], shader.inputs["Roughness"]),
        (shown["Normal"].outputs["Color"], normal.inputs["Color"]),
        (normal.outputs["Normal"], shader.inputs["Normal"]),
        (shown["Height"].outputs["Color"], moved.inputs["Height"]),
        (moved.outputs["Displacement"], output.inputs["Displacement"]),
        (shader.outputs["BSDF"], output.inputs["Surface"]),
    )
    for here, there in links:
        tree.links.new(here, there)
    return material


def _node(tree: Any, kind: str, place: tuple[int, int], **values: str) -> Any:
    node = tree.nodes.new(kind)
    node.location = place
    for name, value in values.items():
        setattr(node, name, value)
    return node


def _texture(tree: Any, image: bpy.types.Image, y: int) -> Any:
    node = _node(tree, "ShaderNodeTexImage", (-350, y))
    node.image = image
    node.label = image.name
    return node


def _by_identifier(sockets: Any, identifier: str) -> Any:
    return next(socket for socket in sockets if socket.identifier == identifier)


def register() -> None:
    """Adds the operator."""
    bpy.utils.register_class(MakeMaterial)


def unregister() -> None:
    """Takes it away."""
    bpy.utils.unregister_class(MakeMaterial)
