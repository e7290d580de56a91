"""In Blender: our own verbs on an image of a stone wall, as the panel's buttons start them.

Arguments: wall and paint (files of raw pixels), width, height.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import bpy
import numpy as np

from tests.hosts.drivers.hostscript import Host
from tests.hosts.scripts.blender_fills import PACKAGE, make, read
from tests.hosts.scripts.verbs_blender import editor, why_not


def loaded(file: str, size: tuple[int, int], channels: int) -> Any:
    """Raw bytes, the top row first, as RGBA floats, the bottom row first."""
    values = np.fromfile(file, np.uint8).reshape(size[1], size[0], channels)[::-1] / np.float32(255)
    if channels == 1:
        values = np.concatenate([values, values, values, np.ones_like(values)], axis=2)
    return np.ascontiguousarray(values, np.float32)


def main(host: Host) -> Iterator[None]:
    runtime = importlib.import_module(f"{PACKAGE}.runtime")
    values, place = host.arguments, editor()
    size = values["width"], values["height"]
    settings = bpy.context.scene.underpaint
    settings.random_seed, settings.seed, settings.steps, settings.prompt = False, 7, 10, ""
    image = make("Wall", loaded(values["wall"], size, 4))
    hole = make("Paint", loaded(values["paint"], size, 1))
    place["area"].spaces.active.image = image
    host.report(no_mask=why_not("verb_remove", place), expand=why_not("verb_expand", place))
    settings.mask = hole
    before = read(image)
    bpy.ops.ed.undo_push(message="painted")

    def keep(name: str, pixels: Any) -> list[Any]:
        target = host.folder / f"{name}.rgba"
        target.write_bytes(np.rint(pixels[::-1].clip(0, 1) * 255).astype(np.uint8).tobytes())
        return [str(target), pixels.shape[1], pixels.shape[0]]

    def begin(name: str, **given: float) -> Any:
        place["area"].spaces.active.image = bpy.data.images["Wall"]
        with bpy.context.temp_override(**place):
            getattr(bpy.ops.underpaint, name)("INVOKE_DEFAULT", **given)
        (task,) = runtime.session().tasks
        return task

    def run(name: str, **given: float) -> Iterator[None]:
        names = {one.name for one in bpy.data.images}
        task = begin(name, **given)
        yield from host.until(lambda: task.done, 300, name)
        yield from host.wait(0.3)
        made = sorted({one.name for one in bpy.data.images} - names)
        seen = {
            "state": task.state.value,
            "problem": str(task.error or ""),
            "images": {one: keep(f"{name}-{one}", read(bpy.data.images[one])) for one in made},
            "spaces": {one: bpy.data.images[one].colorspace_settings.name for one in made},
            "wall": keep(name, read(bpy.data.images["Wall"])),
            "shown": place["area"].spaces.active.image.name,
        }
        bpy.ops.ed.undo()
        yield from host.wait(0.3)
        left = sorted({one.name for one in bpy.data.images} - names)
        seen["undone"] = bool(np.array_equal(read(bpy.data.images["Wall"]), before)) and not left
        host.report(**{name: seen})

    host.report(before=keep("before", before))
    yield from run("verb_remove")
    yield from run("verb_refine", strength=0.35)
    yield from run("verb_expand", right=96, bottom=40)
    yield from run("verb_pbr_maps", relief=6.0)
    yield from run("verb_upscale", factor=2.0)

    # One that takes long: it says how far it is, and stops.
    task = begin("verb_upscale", factor=8.0)
    names = {one.name for one in bpy.data.images}
    adapter = runtime.adapter()
    yield from host.until(lambda: adapter.update and adapter.update.progress.step > 1, 120, "its first steps")
    yield from host.wait(0.5)
    sidebar = next(region for region in place["area"].regions if region.type == "UI")
    sidebar.active_panel_category = "Underpaint"
    sidebar.tag_redraw()
    yield from host.wait(1.0)
    host.report(at_work=host.screenshot("at_work.png"), planned=adapter.update.progress.fraction < 0.9)
    bpy.ops.underpaint.cancel()
    yield from host.until(lambda: task.done, 60, "the end")
    host.report(cancelled=task.state.value, made=sorted({one.name for one in bpy.data.images} - names))
    try:
        bpy.ops.underpaint.verb_edit(prompt="make it night", image="Wall")
    except RuntimeError as refused:
        host.report(refused=str(refused))
