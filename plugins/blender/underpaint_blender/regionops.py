# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of regions in the Image Editor's sidebar, and its operators, which scripts call as well."""

from __future__ import annotations

from typing import Any

import bpy

from underpaint.host import MOST_REGIONS

from . import controls, regions
from .lists import Add, Remove, Section, draw_list, draw_problem
from .operators import image_of


class RegionList(bpy.types.UIList):
    """A line for each: where, and what to paint there."""

    bl_idname = "UNDERPAINT_UL_regions"

    def draw_item(
        self,
        _context: Any,
        layout: bpy.types.UILayout,
        settings: Any,
        item: Any,
        _icon: int,
        _active: Any,
        _property: str,
        _index: int,
    ) -> None:
        """With a warning where it cannot be used."""
        row = layout.row(align=True)
        wrong = bool(regions.problem(item, settings))
        row.alert = wrong
        name = item.image.name if item.source == controls.IMAGE and item.image else item.choice or item.source
        row.label(text=name, icon="ERROR" if wrong else "MOD_MASK")
        row.prop(item, "prompt", text="", emboss=False, placeholder="what shall be there?")


class RegionsPanel(Section, bpy.types.Panel):
    """Parts of pictures with words of their own."""

    bl_idname = "IMAGE_PT_underpaint_regions"
    bl_label = "Regions"

    def draw(self, context: bpy.types.Context) -> None:
        """The list, and the fields of the chosen line."""
        settings, layout = context.scene.underpaint, self.layout
        item = draw_list(layout, settings, RegionList.bl_idname, "regions", "active_region", "region")
        if item is None:
            return
        fields = layout.column()
        fields.use_property_split, fields.use_property_decorate = True, False
        fields.prop(item, "prompt", text="Paint", placeholder="what shall be there?")
        fields.prop(item, "negative", placeholder="as everywhere")
        fields.prop(item, "source")
        if item.source == controls.IMAGE:
            fields.prop(item, "image")
        elif item.choice or controls.choices_of(item.source):
            fields.prop(item, "choice")
        fields.prop(item, "strength", slider=True)
        draw_problem(layout, context, regions.problem(item, settings))


class AddRegion(Add, bpy.types.Operator):
    """Give a part of the pictures words of its own: where an image is white or not transparent."""

    bl_idname = "underpaint.add_region"
    bl_label = "Add Region"
    entries, most, full = "regions", MOST_REGIONS, f"A picture has {MOST_REGIONS} regions at most"

    prompt: bpy.props.StringProperty(name="Paint", options={"SKIP_SAVE"})
    negative: bpy.props.StringProperty(name="Avoid", options={"SKIP_SAVE"})
    image: bpy.props.StringProperty(name="Image", description="Its name", options={"SKIP_SAVE"})
    source: bpy.props.StringProperty(name="From", default=controls.IMAGE, options={"SKIP_SAVE"})
    strength: bpy.props.FloatProperty(name="Strength", default=1.0, min=0.0, max=1.0, options={"SKIP_SAVE"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Adds it at the end, and makes it the chosen one; later ones cover earlier ones."""
        settings = context.scene.underpaint
        image = bpy.data.images.get(self.image) if self.image else image_of(context)
        if self.image and image is None:
            self.report({"ERROR"}, f"There is no image {self.image!r} in this file")
            return {"CANCELLED"}
        item = settings.regions.add()
        item.image, item.source, item.strength = image, self.source, self.strength
        item.prompt, item.negative = self.prompt, self.negative
        settings.active_region = len(settings.regions) - 1
        return {"FINISHED"}


class RemoveRegion(Remove, bpy.types.Operator):
    """No words of its own for this part any more."""

    bl_idname = "underpaint.remove_region"
    bl_label = "Remove Region"
    entries, active = "regions", "active_region"

    index: bpy.props.IntProperty(
        name="Index", default=-1, min=-1, description="-1: the chosen one", options={"SKIP_SAVE"}
    )


CLASSES = (AddRegion, RemoveRegion, RegionList, RegionsPanel)


def register() -> None:
    """Adds list, panel and operators; after the panel that theirs is a part of."""
    for made in CLASSES:
        bpy.utils.register_class(made)


def unregister() -> None:
    """Takes them away."""
    for made in reversed(CLASSES):
        bpy.utils.unregister_class(made)
