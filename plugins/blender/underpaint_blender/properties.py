# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel remembers, with the scene."""

from __future__ import annotations

from typing import Any

import bpy

from underpaint.errors import UnderpaintError
from underpaint.host import Notice, Settings, control_models_for
from underpaint.types import ModelList, Tiling

from . import controls, loras, regions, runtime

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
        controls.known.models = found
        usable = [model for model in found.models if not model.problem]
        _models[1:] = [(m.name, m.title or m.name, f"{m.native_size} px, {m.family}") for m in usable]
        runtime.redraw()

    runtime.expect_answer(1)
    runtime.session().models(on_models)
    controls.learn()
    loras.learn()


def _role_names(_self: Any, _context: Any, typed: str) -> list[str]:
    return [role for role in controls.roles() if typed.lower() in role]


def _preprocessor_names(self: Any, _context: Any, typed: str) -> list[str]:
    names = [one.name for one in controls.offers().preprocessors_for(self.role)]
    return [name for name in names if typed.lower() in name]


def _source_names(_self: Any, _context: Any, typed: str) -> list[str]:
    names = dict.fromkeys(place.source.name for place in controls.offers().places)
    return [name for name in names if typed.lower() in name]


def _choice_names(self: Any, _context: Any, typed: str) -> list[str]:
    return [choice for choice in controls.choices_of(self.source) if typed.lower() in choice.lower()]


def _on_role(self: Any, _context: Any) -> None:
    self.preprocessor, self.model = controls.AUTO, ""


def _remember_mask(self: Any, _context: Any) -> None:
    self.mask_name = self.mask.name if self.mask is not None else ""


def _net_names(self: Any, context: Any, typed: str) -> list[str]:
    names = control_models_for(controls.models_of(context.scene.underpaint), self.role)
    return [name for name in names if typed.lower() in name.lower()]


def _lora_names(_self: Any, context: Any, typed: str) -> list[str]:
    names = [info.name for info in loras.fitting(context.scene.underpaint)]
    return [name for name in names if typed.lower() in name.lower()]


def _preset_names(self: Any, _context: Any, typed: str) -> list[str]:
    return [name for name in loras.preset_names(self) if typed.lower() in name.lower()]


class UnderpaintControl(bpy.types.PropertyGroup):
    """An image that pictures keep to."""

    role: bpy.props.StringProperty(
        name="Role",
        description="What the image shows: line-art, depth and so on",
        default="line-art",
        search=_role_names,
        update=_on_role,
    )
    source: bpy.props.StringProperty(
        name="From",
        description="An image of the file, the one in the editor (merged), its mask (selection), or what "
        "plug-ins offer",
        default=controls.IMAGE,
        search=_source_names,
    )
    image: bpy.props.PointerProperty(
        name="Image", type=bpy.types.Image, description="What the picture keeps to, scaled over it"
    )
    choice: bpy.props.StringProperty(
        name="Choice", description="Of what a plug-in offers", search=_choice_names
    )
    preprocessor: bpy.props.StringProperty(
        name="Made by",
        description="What makes the control image of it. Empty: it is white on black already; auto: what "
        "suits the role",
        default=controls.AUTO,
        search=_preprocessor_names,
    )
    strength: bpy.props.FloatProperty(
        name="Strength",
        description="How strictly the picture keeps to it; above 1 forces",
        default=1.0,
        min=0.0,
        max=2.0,
        subtype="FACTOR",
    )
    start: bpy.props.FloatProperty(
        name="Steps from",
        description="From which share of the steps on it counts; early steps decide where things lie",
        default=0.0,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
    )
    end: bpy.props.FloatProperty(
        name="To",
        description="Up to which share of the steps it counts; late steps decide how things look",
        default=1.0,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
    )
    mask: bpy.props.PointerProperty(
        name="Where",
        type=bpy.types.Image,
        description="Where it counts: where this image is white, or not transparent. None: everywhere",
        update=_remember_mask,
    )
    # Blender clears a pointer without a word when its image is removed: everywhere would be no one's wish.
    mask_name: bpy.props.StringProperty(options={"HIDDEN"})
    model: bpy.props.StringProperty(
        name="Control Model",
        description="The control model that knows such images. Empty: the first that does",
        search=_net_names,
    )


class UnderpaintRegion(bpy.types.PropertyGroup):
    """A part with words of its own."""

    prompt: bpy.props.StringProperty(name="Paint", description="What to paint there, in words")
    negative: bpy.props.StringProperty(
        name="Avoid", description="What to keep out there, in words. Empty: as everywhere"
    )
    source: bpy.props.StringProperty(
        name="From",
        description="An image of the file, the mask (selection), or what plug-ins offer",
        default=controls.IMAGE,
        search=_source_names,
    )
    image: bpy.props.PointerProperty(
        name="Image",
        type=bpy.types.Image,
        description="Where: what of it is not transparent or, where all of it is opaque, what is white; "
        "scaled over the picture",
    )
    choice: bpy.props.StringProperty(
        name="Choice", description="Of what a plug-in offers", search=_choice_names
    )
    strength: bpy.props.FloatProperty(
        name="Strength",
        description="How far these words take the place of what lies beneath",
        default=1.0,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
    )


class UnderpaintLora(bpy.types.PropertyGroup):
    """A LoRA that is put on."""

    lora: bpy.props.StringProperty(name="LoRA", description="Its name", search=_lora_names)
    strength: bpy.props.FloatProperty(
        name="Strength",
        description="1 is as it was trained; below 0 it takes away what it would add",
        default=1.0,
        min=-10.0,
        max=10.0,
        step=5,
    )


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

    islands: bpy.props.BoolProperty(
        name="UV Islands",
        default=True,
        description="Where the active mesh shows the image, paint its UV islands alone: what lies between is "
        "not seen, and masks stop at their edges",
    )
    padding: bpy.props.IntProperty(
        name="Padding",
        default=16,
        min=0,
        max=256,
        subtype="PIXEL",
        description="How far islands go on, so that no seams show from afar",
    )
    controls: bpy.props.CollectionProperty(type=UnderpaintControl)
    active_control: bpy.props.IntProperty(name="Active Control")
    regions: bpy.props.CollectionProperty(type=UnderpaintRegion)
    active_region: bpy.props.IntProperty(name="Active Region")
    loras: bpy.props.CollectionProperty(type=UnderpaintLora)
    active_lora: bpy.props.IntProperty(name="Active LoRA")
    preset: bpy.props.StringProperty(
        name="Preset",
        description="Steps, guidance, scheduler and LoRA that belong together, for few steps",
        search=_preset_names,
    )

    def choices(self, *, strength: float | None = None) -> Settings:
        """As the session wants them. Raises `InvalidRequest` for what cannot be used."""
        tiling = {(False, False): "none", (True, False): "x", (False, True): "y", (True, True): "xy"}
        return Settings(
            model="" if self.model in ("", DEFAULT) else self.model,
            negative_prompt=self.negative,
            seed=None if self.random_seed else self.seed,
            steps=self.steps or None,
            strength=strength,
            tiling=Tiling(tiling[self.tile_x, self.tile_y]) if strength is None else Tiling.NONE,
            controls=controls.attached(self),
            regions=regions.attached(self),
            loras=loras.attached(self),
            preset=self.preset,
        )


_GROUPS = (UnderpaintControl, UnderpaintRegion, UnderpaintLora, UnderpaintSettings)


def register() -> None:
    """Adds `scene.underpaint`."""
    for made in _GROUPS:
        bpy.utils.register_class(made)
    bpy.types.Scene.underpaint = bpy.props.PointerProperty(type=UnderpaintSettings)


def unregister() -> None:
    """Takes it away."""
    del bpy.types.Scene.underpaint
    for made in reversed(_GROUPS):
        bpy.utils.unregister_class(made)
