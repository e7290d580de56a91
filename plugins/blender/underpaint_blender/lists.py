# SPDX-License-Identifier: GPL-3.0-or-later
"""What the sidebar's lists share: buttons beside them, and the line for what is wrong."""

from __future__ import annotations

from typing import Any

import bpy

from .ui import wrapped


class Section:
    """A part of the sidebar's panel."""

    bl_space_type = "IMAGE_EDITOR"
    bl_region_type = "UI"
    bl_category = "Underpaint"
    bl_parent_id = "IMAGE_PT_underpaint"


class Add:
    """An operator that puts an entry into one of the scene's lists, which takes so many and no more."""

    bl_options = {"REGISTER", "UNDO"}
    entries = ""
    """Of `scene.underpaint`: the list."""
    most = 0
    full = ""
    """What to say where there are so many."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Needs room for one more."""
        room = len(getattr(context.scene.underpaint, cls.entries)) < cls.most
        if not room:
            cls.poll_message_set(cls.full)
        return room


class Remove:
    """An operator that takes an entry out of one of the scene's lists."""

    bl_options = {"REGISTER", "UNDO"}
    entries = ""
    """Of `scene.underpaint`: the list; the chosen one is at `active`."""
    active = ""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Needs one."""
        return len(getattr(context.scene.underpaint, cls.entries)) > 0

    def execute(self, context: bpy.types.Context) -> set[str]:
        """The next one becomes the chosen one."""
        settings = context.scene.underpaint
        entries, chosen = getattr(settings, self.entries), getattr(settings, self.active)
        entries.remove(chosen if self.index < 0 else self.index)
        setattr(settings, self.active, max(0, min(chosen, len(entries) - 1)))
        return {"FINISHED"}


def draw_list(layout: Any, settings: Any, kind: str, entries: str, active: str, name: str) -> Any:
    """A list with its two buttons; returns the chosen entry, or None."""
    row = layout.row()
    row.template_list(kind, "", settings, entries, settings, active, rows=2, maxrows=4)
    column = row.column(align=True)
    column.operator(f"underpaint.add_{name}", text="", icon="ADD")
    column.operator(f"underpaint.remove_{name}", text="", icon="REMOVE")
    found, chosen = getattr(settings, entries), getattr(settings, active)
    return found[chosen] if 0 <= chosen < len(found) else None


def draw_problem(layout: Any, context: bpy.types.Context, text: str) -> None:
    """What is wrong, in red, on as many lines as it takes; "" for nothing."""
    column = layout.column(align=True)
    column.alert = True
    for number, line in enumerate(wrapped(text, context)):
        column.label(text=line, icon="BLANK1" if number else "ERROR")
