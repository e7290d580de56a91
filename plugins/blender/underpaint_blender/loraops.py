# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of LoRAs in the Image Editor's sidebar, the preset, and their operators."""

from __future__ import annotations

from typing import Any

import bpy

from underpaint.host import MOST_LORAS, preset_problem

from . import controls, loras
from .lists import Add, Remove, Section, draw_list, draw_problem
from .ui import wrapped


class LoraList(bpy.types.UIList):
    """A line for each: which, and how much."""

    bl_idname = "UNDERPAINT_UL_loras"

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
        """With a warning where it does not fit."""
        row = layout.row(align=True)
        wrong = bool(loras.problem(item, settings))
        row.alert = wrong
        row.label(text=loras.title_of(item) or "no LoRA", icon="ERROR" if wrong else "MODIFIER")
        row.prop(item, "strength", text="", emboss=False)


class LorasPanel(Section, bpy.types.Panel):
    """What changes the model, and how few steps it takes."""

    bl_idname = "IMAGE_PT_underpaint_loras"
    bl_label = "LoRAs and Preset"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """The list, the chosen line's fields and the words that wake it, the preset."""
        settings, layout = context.scene.underpaint, self.layout
        item = draw_list(layout, settings, LoraList.bl_idname, "loras", "active_lora", "lora")
        fields = layout.column()
        fields.use_property_split, fields.use_property_decorate = True, False
        if item is not None:
            fields.prop(item, "lora")
            fields.prop(item, "strength")
            for line in wrapped(loras.words_of(item), context):
                fields.label(text=line)
            draw_problem(fields, context, loras.problem(item, settings))
        fields.prop(settings, "preset", placeholder="none")
        models = controls.models_of(settings)
        wrong = [preset_problem(settings.preset, model) for model in models]
        draw_problem(layout, context, "" if "" in wrong else wrong[0])


class AddLora(Add, bpy.types.Operator):
    """Put a LoRA on the model: the first that fits and is not on, to begin with."""

    bl_idname = "underpaint.add_lora"
    bl_label = "Add LoRA"
    entries, most, full = "loras", MOST_LORAS, f"A picture takes {MOST_LORAS} LoRAs at most"

    lora: bpy.props.StringProperty(name="LoRA", description="Its name", options={"SKIP_SAVE"})
    strength: bpy.props.FloatProperty(
        name="Strength", default=1.0, min=-10.0, max=10.0, options={"SKIP_SAVE"}
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Adds it at the end, and makes it the chosen one."""
        settings = context.scene.underpaint
        name = self.lora or loras.next_name(settings)
        if not name:
            self.report({"WARNING"}, "No other LoRA for this model is known: press Refresh beside the models")
            return {"CANCELLED"}
        item = settings.loras.add()
        item.lora, item.strength = name, self.strength
        settings.active_lora = len(settings.loras) - 1
        return {"FINISHED"}


class RemoveLora(Remove, bpy.types.Operator):
    """Take this LoRA off."""

    bl_idname = "underpaint.remove_lora"
    bl_label = "Remove LoRA"
    entries, active = "loras", "active_lora"

    index: bpy.props.IntProperty(
        name="Index", default=-1, min=-1, description="-1: the chosen one", options={"SKIP_SAVE"}
    )


CLASSES = (AddLora, RemoveLora, LoraList, LorasPanel)


def register() -> None:
    """Adds list, panel and operators; after the panel that theirs is a part of."""
    for made in CLASSES:
        bpy.utils.register_class(made)


def unregister() -> None:
    """Takes them away."""
    for made in reversed(CLASSES):
        bpy.utils.unregister_class(made)
