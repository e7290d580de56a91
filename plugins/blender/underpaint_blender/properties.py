# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel remembers, with the scene."""

from __future__ import annotations

from typing import Any

import bpy

from underpaint.errors import UnderpaintError
from underpaint.host import Notice, Settings
from underpaint.types import ModelList, Tiling

from . import runtime

DEFAULT = "DEFAULT"
# Blender keeps no reference to the strings of a dynamic enum: they must live on here.
_models: list[tuple[str, str, str]] = [(DEFAULT, "Default", "The daemon's default for what you do")]


def _model_items(_self: Any, _context: Any) -> list[tuple[str, str, str]]:
    return _models


def refresh_models() -> None:
    """Asks the daemon, and fills the list when it answers."""

    def on_models(found: ModelList | UnderpaintError) -> None:
        runtime.expect_answer(-1)
        if isinstance(found, UnderpaintError):
            runtime.adapter().show_notice(Notice(found.message, problem=True))
            return
        usable = [model for model in found.models if not model.problem]
        _models[1:] = [(m.name, m.title or m.name, f"{m.native_size} px, {m.family}") for m in usable]
        runtime.redraw()

    runtime.expect_answer(1)
    runtime.session().models(on_models)


class UnderpaintSettings(bpy.types.PropertyGroup):
    """Kept in the scene, so that a file remembers its prompts."""

    prompt: bpy.props.StringProperty(name="Prompt", description="What to paint, in words")
    negative: bpy.props.StringProperty(name="Avoid", description="What to keep out, in words")
    model: bpy.props.EnumProperty(name="Model", items=_model_items)
    width: bpy.props.IntProperty(name="Width", default=256, min=64, max=4096, step=64, subtype="PIXEL")
    height: bpy.props.IntProperty(name="Height", default=256, min=64, max=4096, step=64, subtype="PIXEL")
    tile_x: bpy.props.BoolProperty(name="X", default=True, description="Left and right edge meet")
    tile_y: bpy.props.BoolProperty(name="Y", default=True, description="Top and bottom edge meet")
    random_seed: bpy.props.BoolProperty(name="Random", default=True, description="A new seed each time")
    seed: bpy.props.IntProperty(name="Seed", default=1, min=0, description="Same seed, same picture")
    steps: bpy.props.IntProperty(name="Steps", default=0, min=0, max=1000, description="0: the model's own")
    strength: bpy.props.FloatProperty(
        name="Strength", default=1.0, min=0.05, max=1.0, subtype="FACTOR", description="How much to change"
    )
    mask: bpy.props.PointerProperty(
        name="Mask", type=bpy.types.Image, description="White is painted anew, black is kept"
    )
    transparent: bpy.props.BoolProperty(
        name="Transparent Part", description="Fill what is transparent instead of what a mask says"
    )

    def choices(self, *, strength: float | None = None) -> Settings:
        """As the session wants them."""
        tiling = {(False, False): "none", (True, False): "x", (False, True): "y", (True, True): "xy"}
        return Settings(
            model="" if self.model in ("", DEFAULT) else self.model,
            negative_prompt=self.negative,
            seed=None if self.random_seed else self.seed,
            steps=self.steps or None,
            strength=strength,
            tiling=Tiling(tiling[self.tile_x, self.tile_y]) if strength is None else Tiling.NONE,
        )


def register() -> None:
    """Adds `scene.underpaint`."""
    bpy.utils.register_class(UnderpaintSettings)
    bpy.types.Scene.underpaint = bpy.props.PointerProperty(type=UnderpaintSettings)


def unregister() -> None:
    """Takes it away."""
    del bpy.types.Scene.underpaint
    bpy.utils.unregister_class(UnderpaintSettings)
