# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of controls in the Image Editor's sidebar, and its operators, which scripts call as well."""

from __future__ import annotations

from typing import Any

import bpy

from underpaint.errors import InvalidRequest, Violation
from underpaint.host import MOST_ROWS, Task, TaskState, role_title

from . import controls, runtime
from .lists import Add, Remove, Section, draw_list, draw_problem
from .operators import Verb, image_of, refusal
from .properties import refresh_models


class ControlList(bpy.types.UIList):
    """A line for each: its role, and what it shows."""

    bl_idname = "UNDERPAINT_UL_controls"

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
        """Greyed with a warning where it cannot be used."""
        row = layout.row(align=True)
        wrong = bool(controls.problem(item, settings))
        row.alert = wrong
        name = item.image.name if item.source == controls.IMAGE and item.image else item.choice or item.source
        row.label(text=role_title(item.role), icon="ERROR" if wrong else "MOD_LINEART")
        row.label(text=name if item.source != controls.IMAGE or item.image else "no image")


class ControlsPanel(Section, bpy.types.Panel):
    """What pictures keep to."""

    bl_idname = "IMAGE_PT_underpaint_controls"
    bl_label = "Controls"

    def draw(self, context: bpy.types.Context) -> None:
        """The list, and the fields of the chosen line."""
        settings, layout = context.scene.underpaint, self.layout
        item = draw_list(layout, settings, ControlList.bl_idname, "controls", "active_control", "control")
        if item is None:
            return
        fields = layout.column()
        fields.use_property_split, fields.use_property_decorate = True, False
        fields.prop(item, "role")
        fields.prop(item, "source")
        if item.source == controls.IMAGE:
            fields.prop(item, "image")
        elif item.choice or controls.choices_of(item.source):
            fields.prop(item, "choice")
        fields.prop(item, "preprocessor", placeholder="As it is")
        fields.prop(item, "strength", slider=True)
        shares = fields.column(align=True)
        shares.prop(item, "start", slider=True)
        shares.prop(item, "end", slider=True)
        fields.prop(item, "mask")
        fields.prop(item, "model", placeholder="the first that fits")
        draw_problem(layout, context, controls.problem(item, settings))
        layout.operator("underpaint.make_control_image", icon="IMAGE_DATA")


class AddControl(Add, bpy.types.Operator):
    """Let pictures keep to an image: the one in this editor, to begin with."""

    bl_idname = "underpaint.add_control"
    bl_label = "Add Control"
    entries, most, full = "controls", MOST_ROWS, f"A picture keeps to {MOST_ROWS} images at most"

    image: bpy.props.StringProperty(name="Image", description="Its name", options={"SKIP_SAVE"})
    role: bpy.props.StringProperty(name="Role", default="line-art", options={"SKIP_SAVE"})
    preprocessor: bpy.props.StringProperty(
        name="Made by", default=controls.AUTO, description="Empty: as it is", options={"SKIP_SAVE"}
    )
    source: bpy.props.StringProperty(name="From", default=controls.IMAGE, options={"SKIP_SAVE"})
    strength: bpy.props.FloatProperty(name="Strength", default=1.0, min=0.0, max=2.0, options={"SKIP_SAVE"})
    start: bpy.props.FloatProperty(name="Start", default=0.0, min=0.0, max=1.0, options={"SKIP_SAVE"})
    end: bpy.props.FloatProperty(name="End", default=1.0, min=0.0, max=1.0, options={"SKIP_SAVE"})
    mask: bpy.props.StringProperty(
        name="Where", description="Name of an image; empty: everywhere", options={"SKIP_SAVE"}
    )
    model: bpy.props.StringProperty(
        name="Control Model", description="Empty: the first that fits", options={"SKIP_SAVE"}
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Adds it at the end, and makes it the chosen one."""
        settings = context.scene.underpaint
        image = bpy.data.images.get(self.image) if self.image else image_of(context)
        if self.image and image is None:
            self.report({"ERROR"}, f"There is no image {self.image!r} in this file")
            return {"CANCELLED"}
        if self.mask and self.mask not in bpy.data.images:
            self.report({"ERROR"}, f"There is no image {self.mask!r} in this file")
            return {"CANCELLED"}
        item = settings.controls.add()
        item.image, item.source, item.role = image, self.source, self.role
        item.preprocessor = self.preprocessor
        item.strength, item.start, item.end = self.strength, self.start, self.end
        item.mask, item.model = bpy.data.images.get(self.mask), self.model
        settings.active_control = len(settings.controls) - 1
        if controls.known.preprocessors is None and not bpy.app.background and not refusal():
            refresh_models()  # for the lists of the fields; scripts wait where they need it
        return {"FINISHED"}


class RemoveControl(Remove, bpy.types.Operator):
    """Do not keep to this image any more."""

    bl_idname = "underpaint.remove_control"
    bl_label = "Remove Control"
    entries, active = "controls", "active_control"

    index: bpy.props.IntProperty(
        name="Index", default=-1, min=-1, description="-1: the chosen one", options={"SKIP_SAVE"}
    )


class MakeControlImage(Verb, bpy.types.Operator):
    """Make the control image as an image of its own, to look at and to edit; pictures then keep to that."""

    bl_idname = "underpaint.make_control_image"
    bl_label = "Make Control Image"
    bl_options = {"REGISTER"}

    index: bpy.props.IntProperty(
        name="Index", default=-1, min=-1, description="-1: the chosen one", options={"SKIP_SAVE"}
    )

    @classmethod
    def missing(cls, context: bpy.types.Context) -> str:
        """An image, and something that makes another of it."""
        settings = context.scene.underpaint
        if not 0 <= settings.active_control < len(settings.controls):
            return "Add a control first"
        item = settings.controls[settings.active_control]
        return "" if item.preprocessor else "Taken as it is, the image is one already"

    def choose(self, context: bpy.types.Context) -> None:
        """The control's own image, all of it, is what is looked at."""
        super().choose(context)
        item = self._item(context)
        if item.source == controls.IMAGE and item.image is not None:
            runtime.adapter().image = item.image.name

    def start(self, context: bpy.types.Context) -> Task:
        """No model works on it."""
        row, control = controls.one(self._item(context))
        return runtime.session().control_layer(control, f"{role_title(row.role)}: {row.title}")

    def _end(self, task: Task) -> set[str]:
        if task.state is TaskState.PLACED:
            item = self._item(bpy.context)
            item.source = controls.IMAGE
            item.image = bpy.data.images.get(runtime.adapter().last_image)
            item.preprocessor = ""
        return super()._end(task)

    def _item(self, context: bpy.types.Context) -> Any:
        settings = context.scene.underpaint
        index = settings.active_control if self.index < 0 else self.index
        if not 0 <= index < len(settings.controls):
            wrong = Violation("index", "is that of no control")
            raise InvalidRequest("There is no such control: add one first.", violations=[wrong])
        return settings.controls[index]


CLASSES = (AddControl, RemoveControl, MakeControlImage, ControlList, ControlsPanel)


def register() -> None:
    """Adds list, panel and operators; after the panel that theirs is a part of."""
    for made in CLASSES:
        bpy.utils.register_class(made)


def unregister() -> None:
    """Takes them away."""
    for made in reversed(CLASSES):
        bpy.utils.unregister_class(made)
