# SPDX-License-Identifier: GPL-3.0-or-later
"""`bpy.ops.underpaint.*`: in a window they run modally, Esc cancels; in scripts they return when done."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import bpy

from underpaint.errors import NothingSelected, UnderpaintError
from underpaint.host import Settings, Task, TaskState

from . import islands, runtime
from .pixels import BYTE_FORMAT
from .properties import UnderpaintSettings, refresh_models

POLL_S = 0.1


def refusal() -> str:
    """Why nothing can run now; empty if it can."""
    if not bpy.app.online_access:
        return "Allow Online Access in Preferences > System: the daemon on this computer is reached by it"
    return ""


class Verb:
    """An operator that starts a task, then waits for it in the way that fits: modally, or pumping."""

    _task: Task | None = None
    _timer: Any = None

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Greyed out with the reason."""
        reason = refusal() or cls.missing(context)
        if reason:
            cls.poll_message_set(reason)
        return not reason

    @classmethod
    def missing(cls, context: bpy.types.Context) -> str:
        """What the verb lacks in this context; empty if nothing."""
        return ""

    def start(self, context: bpy.types.Context) -> Task:
        """Calls the session, for the image that `choose` chose."""
        raise AssertionError("each verb starts a task of its own")

    def choose(self, context: bpy.types.Context) -> None:
        """Tells the adapter which image and mask are meant: the editor's, or those that a script named."""
        settings, adapter, shown = context.scene.underpaint, runtime.adapter(), image_of(context)
        mask = getattr(self, "mask", "")
        adapter.image = getattr(self, "image", "") or (shown.name if shown else "")
        adapter.mask = mask or (settings.mask.name if settings.mask else "")
        adapter.mask_is_transparency = settings.transparent and not mask

    def execute(self, context: bpy.types.Context) -> set[str]:
        """For scripts: returns when the task is final."""
        task = self._begin(context)
        if task is None:
            return {"CANCELLED"}
        runtime.wait(task)
        return self._end(task)

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """For people: the window stays alive, Esc cancels."""
        self._task = self._begin(context)
        if self._task is None:
            return {"CANCELLED"}
        runtime.watch()
        manager = context.window_manager
        self._timer = manager.event_timer_add(POLL_S, window=context.window)
        manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Watches for the end and for Esc; everything else goes on to Blender."""
        assert self._task is not None
        if event.type == "ESC" and event.value == "PRESS" and not self._task.done:
            self._task.cancel()
            return {"RUNNING_MODAL"}
        if not self._task.done:
            return {"PASS_THROUGH"}
        context.window_manager.event_timer_remove(self._timer)
        return self._end(self._task)

    def _begin(self, context: bpy.types.Context) -> Task | None:
        settings: UnderpaintSettings = context.scene.underpaint
        if settings.random_seed and not bpy.app.background:
            settings.seed = random.getrandbits(31)
        try:
            self.choose(context)
            task = self.start(context)
        except UnderpaintError as problem:
            self.report({"ERROR"}, problem.message)
            return None
        adapter = runtime.adapter()
        image = bpy.data.images.get(adapter.image)
        runtime.follow(task, adapter.documents.id_of(image) if image is not None else "")
        return task

    def _end(self, task: Task) -> set[str]:
        if task.state is TaskState.PLACED:
            self.report({"INFO"}, f"{task.title}: done")
            return {"FINISHED"}
        if task.error is not None and task.state is not TaskState.CANCELLED:
            self.report({"ERROR"}, task.error.message)
        return {"CANCELLED"}


def image_of(context: bpy.types.Context) -> bpy.types.Image | None:
    """What the Image Editor shows; None anywhere else."""
    space = context.space_data
    return space.image if space is not None and space.type == "IMAGE_EDITOR" else None


def on_islands(choices: Settings, context: bpy.types.Context, image: bpy.types.Image | None) -> Settings:
    """With the islands of the image, where the active mesh shows it and the panel does not say no."""
    settings = context.scene.underpaint
    if not settings.islands:
        return choices
    return replace(choices, islands=islands.attached(context, image, settings.padding))


class GenerateTexture(Verb, bpy.types.Operator):
    """Paint a new texture from words, seamless where wanted."""

    bl_idname = "underpaint.generate_texture"
    bl_label = "Generate Texture"
    bl_options = {"REGISTER"}

    prompt: bpy.props.StringProperty(name="Prompt", options={"SKIP_SAVE"})

    def choose(self, _context: bpy.types.Context) -> None:
        """No image: it makes one."""
        runtime.adapter().image = ""

    def start(self, context: bpy.types.Context) -> Task:
        """Words to a new image datablock."""
        settings = context.scene.underpaint
        return runtime.session().texture(
            self.prompt or settings.prompt,
            on_islands(settings.choices(), context, image_of(context)),
            width=settings.width,
            height=settings.height,
            result_format=BYTE_FORMAT,
        )


class FillMask(Verb, bpy.types.Operator):
    """Paint the masked part of the image anew, so that it fits the rest."""

    bl_idname = "underpaint.fill_mask"
    bl_label = "Fill Mask"
    bl_options = {"REGISTER"}

    prompt: bpy.props.StringProperty(name="Prompt", options={"SKIP_SAVE"})
    image: bpy.props.StringProperty(name="Image", description="Its name", options={"SKIP_SAVE"})
    mask: bpy.props.StringProperty(name="Mask", description="Its name", options={"SKIP_SAVE"})

    @classmethod
    def missing(cls, context: bpy.types.Context) -> str:
        """An editor without an image cannot be filled; scripts name one."""
        in_editor = context.space_data is not None and context.space_data.type == "IMAGE_EDITOR"
        return "Open an image in this editor first" if in_editor and image_of(context) is None else ""

    def start(self, context: bpy.types.Context) -> Task:
        """The mask's part of the image."""
        settings, adapter = context.scene.underpaint, runtime.adapter()
        if not adapter.mask and not adapter.mask_is_transparency:
            raise NothingSelected("No mask: choose a mask image, or paint one with New Mask.")
        choices = settings.choices(strength=settings.strength)
        choices = on_islands(choices, context, bpy.data.images.get(adapter.image))
        return runtime.session().fill(self.prompt or settings.prompt, choices)


class GenerateFromImage(Verb, bpy.types.Operator):
    """Paint the whole image anew from what it shows now."""

    bl_idname = "underpaint.generate_from_image"
    bl_label = "Generate from Image"
    bl_options = {"REGISTER"}

    prompt: bpy.props.StringProperty(name="Prompt", options={"SKIP_SAVE"})
    image: bpy.props.StringProperty(name="Image", description="Its name", options={"SKIP_SAVE"})

    missing = FillMask.missing

    def start(self, context: bpy.types.Context) -> Task:
        """Strength 1 would forget the image: 0.6 is the session's default for it."""
        settings = context.scene.underpaint
        strength = settings.strength if settings.strength < 1.0 else 0.6
        choices = settings.choices(strength=strength)
        choices = on_islands(choices, context, bpy.data.images.get(runtime.adapter().image))
        return runtime.session().generate(self.prompt or settings.prompt, choices, from_picture=True)


class NewMask(bpy.types.Operator):
    """Make a black mask of the image's size and start painting it: white is painted anew."""

    bl_idname = "underpaint.new_mask"
    bl_label = "New Mask"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Needs an image in the editor."""
        return image_of(context) is not None

    def execute(self, context: bpy.types.Context) -> set[str]:
        """A byte image without alpha; the editor shows it in paint mode."""
        image = image_of(context)
        assert image is not None
        width, height = image.size
        mask = bpy.data.images.new(f"{image.name} mask", width, height, alpha=False)
        mask.generated_color = (0.0, 0.0, 0.0, 1.0)
        mask.colorspace_settings.name = "Non-Color"
        context.scene.underpaint.mask = mask
        context.space_data.image = mask
        context.space_data.ui_mode = "PAINT"
        return {"FINISHED"}


class Cancel(bpy.types.Operator):
    """Stop what runs, within one denoising step."""

    bl_idname = "underpaint.cancel"
    bl_label = "Cancel"

    def execute(self, _context: bpy.types.Context) -> set[str]:
        """All tasks of this Blender."""
        for task in runtime.session().tasks:
            task.cancel()
        return {"FINISHED"}


class RefreshModels(bpy.types.Operator):
    """Ask the daemon which models there are; starts it if it does not run."""

    bl_idname = "underpaint.refresh_models"
    bl_label = "Refresh Models"

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """Needs online access."""
        return not refusal()

    def execute(self, _context: bpy.types.Context) -> set[str]:
        """The list fills when the answer comes."""
        refresh_models()
        return {"FINISHED"}


CLASSES = (GenerateTexture, FillMask, GenerateFromImage, NewMask, Cancel, RefreshModels)


def register() -> None:
    """Adds the operators."""
    for operator in CLASSES:
        bpy.utils.register_class(operator)


def unregister() -> None:
    """Takes them away."""
    for operator in reversed(CLASSES):
        bpy.utils.unregister_class(operator)
