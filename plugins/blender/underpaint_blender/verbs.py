# SPDX-License-Identifier: GPL-3.0-or-later
"""Verbs of plug-ins: an operator `underpaint.verb_NAME` for each, and its values, kept with the scene.

They are looked for when the extension is enabled: Blender wants operators and their properties by then.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import bpy

from underpaint.errors import HostError
from underpaint.host import Task, fields_of, missing, start_verb, tooltip_of

from . import runtime
from .adapter import BlenderAdapter
from .operators import FillMask, Verb, on_islands

_IN_AN_IMAGE = {"document", "selection"}
_verbs: dict[str, Any] = {}
"""By name, in order of title."""
_classes: list[type] = []
problems: list[str] = []
"""Plug-ins that were left out, and why: whole sentences."""


class _PluginVerb(Verb):
    """Its subclasses have a `verb`, and a property for each of its values."""

    verb = None

    @classmethod
    def missing(cls, context: bpy.types.Context) -> str:
        """What the editor lacks; scripts name image and mask, and are refused when they call."""
        reason = FillMask.missing(context) if _IN_AN_IMAGE & cls.verb.needs else ""
        settings, in_editor = context.scene.underpaint, context.space_data is not None
        if not reason and in_editor and "selection" in cls.verb.needs:
            reason = "" if settings.mask or settings.transparent else "Choose a mask image first"
        return reason

    def start(self, context: bpy.types.Context) -> Task:
        """With the operator's own values; the prompt is the panel's where none was given."""
        settings, session, adapter = context.scene.underpaint, runtime.session(), runtime.adapter()
        # Whether the mask is empty is seen when it is read, once.
        masked = bool(adapter.mask or adapter.mask_is_transparency)
        if reason := missing(self.verb, adapter, selected=lambda: masked):
            raise HostError(reason)
        choices = replace(settings.choices(strength=1.0), strength=None)
        session.settings = on_islands(choices, context, bpy.data.images.get(adapter.image))
        given = {name: getattr(self, _key(name)) for name in _names(self.verb)}
        if "prompt" in self.verb.texts:
            given["prompt"] = self.prompt or settings.prompt
        return start_verb(session, self.verb, given)


class MoreMenu(bpy.types.Menu):
    """All of them, each greyed out with its reason."""

    bl_idname = "UNDERPAINT_MT_more"
    bl_label = "More Verbs"

    def draw(self, context: bpy.types.Context) -> None:
        """In order of title, with the values that were chosen last."""
        for verb in _verbs.values():
            _button(self.layout, context, verb)


def draw(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """The panel's part: choose a verb, set its values, run it."""
    for problem in problems:
        layout.label(text=problem, icon="ERROR")
    if not _verbs:
        return
    values, box = context.scene.underpaint_verbs, layout.box()
    row = box.row(align=True)
    row.prop(values, "verb")
    row.menu(MoreMenu.bl_idname, text="", icon="DOWNARROW_HLT")
    verb = _verbs[values.verb]
    for name in _names(verb):
        box.prop(values, _stored(verb, name))
    _button(box, context, verb)


def _button(layout: bpy.types.UILayout, context: bpy.types.Context, verb: Any) -> None:
    layout.operator_context = "INVOKE_DEFAULT"
    chosen = layout.operator(_idname(verb))
    for name in _names(verb):
        setattr(chosen, _key(name), getattr(context.scene.underpaint_verbs, _stored(verb, name)))


def _names(verb: Any) -> list[str]:
    return [*fields_of(verb), *(number.name for number in verb.numbers)]


def _key(name: str) -> str:
    return re.sub(r"\W", "_", name.lower())


def _stored(verb: Any, name: str) -> str:
    return f"{_key(verb.name)}__{_key(name)}"


def _idname(verb: Any) -> str:
    return f"underpaint.verb_{_key(verb.name)}"


def _properties(verb: Any, **options: Any) -> dict[str, Any]:
    made = {
        name: bpy.props.StringProperty(name=name.replace("-", " ").capitalize(), **options)
        for name in fields_of(verb)
    }
    for number in verb.numbers:
        shown = {"name": number.title or number.name, "min": number.minimum, "max": number.maximum}
        if number.step == 1.0:
            whole = {**shown, "min": int(number.minimum), "max": int(number.maximum)}
            made[number.name] = bpy.props.IntProperty(**whole, default=int(number.default), **options)
        else:
            made[number.name] = bpy.props.FloatProperty(**shown, default=number.default, **options)
    return made


def _operator(verb: Any) -> type:
    named = {"options": {"SKIP_SAVE"}}
    texts = ("prompt", "image", "mask") if _IN_AN_IMAGE & verb.needs else ("prompt",)
    own = {_key(name): made for name, made in _properties(verb, **named).items()}
    properties = {name: bpy.props.StringProperty(name=name.capitalize(), **named) for name in texts}
    body = {
        "bl_idname": _idname(verb),
        "bl_label": verb.title,
        "bl_description": tooltip_of(verb),
        "bl_options": {"REGISTER"},
        "verb": verb,
        "__annotations__": {**properties, **own},
        "__module__": __name__,
    }
    return type(f"UNDERPAINT_OT_verb_{_key(verb.name)}", (_PluginVerb, bpy.types.Operator), body)


def _values() -> type:
    items = [(verb.name, verb.title, tooltip_of(verb)) for verb in _verbs.values()]
    properties = {
        _stored(verb, name): made for verb in _verbs.values() for name, made in _properties(verb).items()
    }
    if items:
        properties["verb"] = bpy.props.EnumProperty(name="More Verbs", items=items)
    body = {"__annotations__": properties, "__module__": __name__}
    return type("UnderpaintVerbValues", (bpy.types.PropertyGroup,), body)


def register() -> None:
    """Looks for plug-ins and registers what they bring."""
    extensions = runtime.extensions()
    _verbs.update((verb.name, verb) for verb in extensions.verbs_for(BlenderAdapter()))
    broken = [info for info in extensions.infos() if info.problem]
    problems[:] = [f"{info.name} is left out: {info.problem.splitlines()[-1]}" for info in broken]
    _classes[:] = [MoreMenu, _values(), *map(_operator, _verbs.values())]
    for made in _classes:
        bpy.utils.register_class(made)
    bpy.types.Scene.underpaint_verbs = bpy.props.PointerProperty(type=_classes[1])


def unregister() -> None:
    """Takes them away."""
    del bpy.types.Scene.underpaint_verbs
    for made in reversed(_classes):
        bpy.utils.unregister_class(made)
    _verbs.clear()
    _classes.clear()
