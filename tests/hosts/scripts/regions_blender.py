"""In Blender: two images say where words of their own count, and a LoRA, by operators and from the panel.

Arguments: layers (files of raw RGBA by name), words (by name), edge, prompt, seed.
"""

from __future__ import annotations

import importlib
import subprocess
from collections.abc import Iterator
from typing import Any

import bpy
import numpy as np

from tests.hosts.drivers.hostscript import Host
from tests.hosts.scripts.blender_fills import PACKAGE, make, read
from tests.hosts.scripts.verbs_blender import editor


def shown(host: Host, place: dict[str, Any], name: str) -> Iterator[None]:
    """A picture of the sidebar's lower end; what fails while it is drawn is in Blender's output."""
    sidebar = next(region for region in place["area"].regions if region.type == "UI")
    sidebar.active_panel_category = "Underpaint"
    sidebar.tag_redraw()
    yield from host.wait(1.0)
    x, y = sidebar.x + sidebar.width // 2, sidebar.height // 2
    subprocess.run(["xdotool", "mousemove", str(x), str(y), "click", "--repeat", "40", "5"], check=True)
    yield from host.wait(1.0)
    host.report(**{name: host.screenshot(f"{name}.png")})


def main(host: Host) -> Iterator[None]:
    values = host.arguments
    edge, words, prompt = values["edge"], values["words"], values["prompt"]
    runtime, controls, regions, loras = (
        importlib.import_module(f"{PACKAGE}.{name}") for name in ("runtime", "controls", "regions", "loras")
    )
    place = editor()
    settings = bpy.context.scene.underpaint
    settings.random_seed, settings.seed, settings.prompt = False, values["seed"], prompt
    settings.width = settings.height = edge
    settings.tile_x = settings.tile_y = False
    discs = {
        name: np.fromfile(file, np.uint8).reshape(edge, edge, 4)[::-1].astype(np.float32) / 255
        for name, file in values["layers"].items()
    }
    make("wall", discs["wall"])
    # Where nothing is transparent, white says where.
    white = np.repeat(discs["meadow"][..., 3:], 4, axis=2)
    white[..., 3] = 1.0
    make("meadow", white)

    def keep(name: str, image: Any) -> str:
        target = host.folder / f"{name}.rgba"
        target.write_bytes(np.rint(read(image)[::-1] * 255).astype(np.uint8).tobytes())
        return str(target)

    def paint(operator: str, **arguments: Any) -> Iterator[None]:
        with bpy.context.temp_override(**place):
            getattr(bpy.ops.underpaint, operator)("INVOKE_DEFAULT", **arguments)
        (task,) = runtime.session().tasks
        yield from host.until(lambda: task.done, 200, operator)
        yield from host.wait(0.5)  # until the operator has seen it
        return task

    def sent(task: Any) -> list[Any]:
        return [task.state.value, [one["prompt"] for one in task.update.resolved.get("regions", [])]]

    bpy.ops.underpaint.refresh_models()
    yield from host.until(lambda: controls.known.models and loras.known() is not None, 120, "what there is")
    with bpy.context.temp_override(**place):
        bpy.ops.underpaint.add_region(image="wall")
        host.report(wordless=regions.problem(settings.regions[0], settings))
        try:
            bpy.ops.underpaint.generate_texture("INVOKE_DEFAULT")
        except RuntimeError as refused:
            host.report(not_started=str(refused))
        settings.regions[0].prompt = words["wall"]
        bpy.ops.underpaint.add_region(image="meadow", prompt=words["meadow"])
        bpy.ops.ed.undo_push(message="ready")  # as a click on the button does
    # Closed at first; opened as a click on its headline would.
    closed = importlib.import_module(f"{PACKAGE}.loraops").LorasPanel
    bpy.utils.unregister_class(closed)
    closed.bl_options = set()
    bpy.utils.register_class(closed)
    yield from shown(host, place, "panel")

    host.report(generated=sent((yield from paint("generate_texture"))))
    host.report(painted=keep("painted", bpy.data.images[prompt]))
    bpy.ops.ed.undo()
    yield from host.wait(0.5)
    settings = bpy.context.scene.underpaint
    host.report(undone=prompt not in bpy.data.images, still=len(settings.regions))

    # Fill and a verb of a plug-in have them, too.
    ground = make("ground", np.ones((edge, edge, 4), np.float32))
    settings.mask = make("everything", np.ones((edge, edge, 4), np.float32))
    place["area"].spaces.active.image = ground
    host.report(filled=sent((yield from paint("fill_mask"))))
    host.report(filled_picture=keep("filled", bpy.data.images["ground"]))
    host.report(varied=sent((yield from paint("verb_variation"))))

    # A control counts where an image says.
    with bpy.context.temp_override(**place):
        bpy.ops.underpaint.add_control(
            image="meadow", role="line-art", preprocessor="", mask="wall", model="swatch-lines"
        )
    task = yield from paint("generate_texture")
    (control,) = task.update.resolved["controls"]
    host.report(control=[task.state.value, control["model"], "mask" in control])
    bpy.data.images.remove(bpy.data.images[prompt])
    with bpy.context.temp_override(**place):
        bpy.ops.underpaint.remove_control()

    # What was said is in the file; an image that is gone is said.
    file = str(host.folder / "yard.blend")
    bpy.ops.wm.save_as_mainfile(filepath=file)
    bpy.data.images.remove(bpy.data.images["wall"])
    host.report(gone=regions.problem(settings.regions[0], settings))
    bpy.ops.wm.open_mainfile(filepath=file)
    yield from host.wait(1.0)
    place = editor()
    settings = bpy.context.scene.underpaint
    host.report(kept=[[item.image.name, item.prompt, item.source] for item in settings.regions])
    for _ in range(2):
        bpy.ops.underpaint.remove_region()

    # A LoRA, and the same without.
    with bpy.context.temp_override(**place):
        bpy.ops.underpaint.add_lora(strength=0.5)
    item = settings.loras[0]
    host.report(lora=[loras.title_of(item), loras.words_of(item), loras.problem(item, settings)])
    yield from shown(host, place, "lora_panel")
    task = yield from paint("generate_texture")
    host.report(put_on=task.update.resolved["loras"], changed=keep("changed", bpy.data.images[prompt]))
    bpy.ops.underpaint.remove_lora()
    bpy.data.images.remove(bpy.data.images[prompt])
    yield from paint("generate_texture")
    host.report(plain=keep("plain", bpy.data.images[prompt]))
