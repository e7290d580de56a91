# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel in the Image Editor's sidebar."""

from __future__ import annotations

import textwrap

import bpy

from underpaint.host import describe

from . import runtime, thumbnail, verbs
from .operators import refusal

_LETTER_PX, _AROUND_PX = 6.0, 75.0
"""Width of a letter at the usual size, and what a panel, an icon and their margins take."""


def wrapped(text: str, context: bpy.types.Context) -> list[str]:
    """Lines of a text for labels in this region: Blender breaks none by itself, and cuts what is too long."""
    width = context.region.width / context.preferences.system.ui_scale
    return textwrap.wrap(text, max(20, round((width - _AROUND_PX) / _LETTER_PX)))


class ImageEditorPanel(bpy.types.Panel):
    """Prompt, what to do with it, how far it is, what went wrong."""

    bl_idname = "IMAGE_PT_underpaint"
    bl_label = "Underpaint"
    bl_space_type = "IMAGE_EDITOR"
    bl_region_type = "UI"
    bl_category = "Underpaint"

    def draw(self, context: bpy.types.Context) -> None:
        """From top to bottom in the order of use."""
        settings, layout = context.scene.underpaint, self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        if refusal():
            self._explain(layout.box(), context)
        layout.prop(settings, "prompt", text="Prompt", placeholder="old brick wall")
        layout.prop(settings, "negative")
        row = layout.row(align=True)
        row.prop(settings, "model")
        row.operator("underpaint.refresh_models", text="", icon="FILE_REFRESH")
        row = layout.row(align=True)
        row.prop(settings, "random_seed", text="Seed", toggle=True, icon="FILE_REFRESH")
        row.prop(settings, "seed", text="")
        layout.prop(settings, "steps", text="Steps")

        box = layout.box()
        size = box.column(align=True)
        size.prop(settings, "width")
        size.prop(settings, "height")
        row = box.row(heading="Seamless", align=True)
        row.prop(settings, "tile_x", toggle=True)
        row.prop(settings, "tile_y", toggle=True)
        box.operator("underpaint.generate_texture", icon="TEXTURE")

        box = layout.box()
        row = box.row(align=True)
        row.enabled = not settings.transparent
        row.prop(settings, "mask")
        row.operator("underpaint.new_mask", text="", icon="ADD")
        box.prop(settings, "transparent")
        box.prop(settings, "strength", slider=True)
        box.operator("underpaint.fill_mask", icon="BRUSH_DATA")
        box.operator("underpaint.generate_from_image", icon="IMAGE_DATA")
        row = layout.row(align=True, heading="Mesh")
        row.prop(settings, "islands", toggle=True, icon="UV")
        padding = row.row(align=True)
        padding.enabled = settings.islands
        padding.prop(settings, "padding", text="")
        layout.operator("underpaint.make_material", icon="MATERIAL")
        verbs.draw(layout, context)
        self._progress(layout, context)

    def _explain(self, box: bpy.types.UILayout, context: bpy.types.Context) -> None:
        said = (
            "Underpaint talks to a daemon on this computer, never to the internet. Blender wants Online "
            "Access for that too."
        )
        for line in wrapped(said, context):
            box.label(text=line)
        box.operator("screen.userpref_show", text="Open Preferences").section = "SYSTEM"

    def _progress(self, layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
        adapter = runtime.adapter()
        if runtime.session().tasks:
            row = layout.row(align=True)
            update = adapter.update
            factor = update.progress.fraction if update else 0.0
            row.progress(factor=factor, text=describe(update))
            row.operator("underpaint.cancel", text="", icon="X")
            if icon := thumbnail.icon_id():
                layout.template_icon(icon_value=icon, scale=6.0)
        for notice in adapter.notices[-2:]:
            column = layout.column(align=True)
            column.alert = notice.problem
            for number, line in enumerate(wrapped(notice.text, context)):
                icon = ("ERROR" if notice.problem else "INFO") if number == 0 else "BLANK1"
                column.label(text=line, icon=icon)


def register() -> None:
    """Adds the panel."""
    bpy.utils.register_class(ImageEditorPanel)


def unregister() -> None:
    """Takes it away."""
    bpy.utils.unregister_class(ImageEditorPanel)
