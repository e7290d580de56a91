"""In Blender: the verbs of plug-ins, as operators and in the panel."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import bpy
import numpy as np

from tests.hosts.drivers.hostscript import Host
from tests.hosts.scripts.blender_fills import PACKAGE, make, painting, read, triangle

EDGE = 200


def editor() -> dict[str, Any]:
    """An Image Editor with its sidebar."""
    window = bpy.context.window_manager.windows[0]
    area = max(window.screen.areas, key=lambda area: area.width * area.height)
    area.type = "IMAGE_EDITOR"
    area.spaces.active.show_region_ui = True
    region = next(region for region in area.regions if region.type == "WINDOW")
    return {"window": window, "area": area, "region": region}


def why_not(name: str, place: dict[str, Any]) -> str:
    """What a click on the greyed out button would be told."""
    with bpy.context.temp_override(**place):
        operator = getattr(bpy.ops.underpaint, name)
        if operator.poll():
            return ""
        try:
            operator("INVOKE_DEFAULT")
        except RuntimeError as refused:
            return str(refused)
        return "no reason"


def main(host: Host) -> Iterator[None]:
    runtime = importlib.import_module(f"{PACKAGE}.runtime")
    verbs = importlib.import_module(f"{PACKAGE}.verbs")
    place = editor()
    settings, values = bpy.context.scene.underpaint, bpy.context.scene.underpaint_verbs
    settings.random_seed, settings.seed, settings.steps, settings.prompt = False, 7, 3, "moss"
    host.report(no_image=why_not("verb_wear_down", place), problems=verbs.problems)
    mask = triangle(EDGE)
    image = make("Painting", painting(EDGE))
    hole = make("Hole", np.stack([mask, mask, mask, np.ones_like(mask)], axis=2))
    place["area"].spaces.active.image = image
    host.report(no_mask=why_not("verb_wear_down", place), variation=why_not("verb_variation", place))
    settings.mask = hole
    host.report(ready=why_not("verb_wear_down", place))
    about = bpy.ops.underpaint.verb_wear_down.get_rna_type()
    host.report(label=about.name, tooltip=about.description)
    host.report(offered=[item.identifier for item in values.bl_rna.properties["verb"].enum_items])

    # The panel, drawn with the verb and its fields.
    values.verb, values.wear_down__wear = "wear-down", 0.5
    sidebar = next(region for region in place["area"].regions if region.type == "UI")
    yield from host.wait(0.5)  # its tabs are known once it was drawn
    sidebar.active_panel_category = "Underpaint"
    sidebar.tag_redraw()
    yield from host.wait(1.0)
    host.report(picture=host.screenshot("panel.png"))

    with bpy.context.temp_override(**place):
        bpy.ops.underpaint.verb_wear_down("INVOKE_DEFAULT", wear=values.wear_down__wear, how=" and wet")
    (task,) = runtime.session().tasks
    yield from host.until(lambda: task.done, 120, "the verb")
    filled = read(bpy.data.images["Painting"])
    differs = np.abs(filled - painting(EDGE)).max(axis=2) > 0.01
    host.report(
        state=task.state.value,
        prompt=task.update.resolved["prompt"],
        seed=task.update.resolved["seed"],
        strength=task.update.resolved["inpaint"]["strength"],
        inside=float(differs[mask > 0].mean()),
        corner=bool(differs[:20, :20].any()),
    )
    # A script names the images; a refusal of the verb is an error as usual.
    try:
        bpy.ops.underpaint.verb_wear_down(prompt="nothing", image="Painting", mask="Hole")
    except RuntimeError as refused:
        host.report(refused=str(refused))
