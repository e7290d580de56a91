"""In Blender: an image with a drawing guides a texture, by operators and from the panel.

Arguments: strokes (a file of raw RGBA), edge, prompt, seed.
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


def main(host: Host) -> Iterator[None]:
    values = host.arguments
    edge = values["edge"]
    runtime = importlib.import_module(f"{PACKAGE}.runtime")
    controls = importlib.import_module(f"{PACKAGE}.controls")
    thumbnail = importlib.import_module(f"{PACKAGE}.thumbnail")
    previewed: set[str] = set()
    place = editor()
    settings = bpy.context.scene.underpaint
    settings.random_seed, settings.seed, settings.prompt = False, values["seed"], values["prompt"]
    settings.width = settings.height = edge
    settings.tile_x = settings.tile_y = False
    drawn = np.fromfile(values["strokes"], np.uint8).reshape(edge, edge, 4)[::-1].astype(np.float32) / 255
    make("sketch", drawn)

    def keep(name: str, image: Any) -> str:
        target = host.folder / f"{name}.rgba"
        target.write_bytes(np.rint(read(image)[::-1] * 255).astype(np.uint8).tobytes())
        return str(target)

    def paint(operator: str, **arguments: Any) -> Iterator[None]:
        with bpy.context.temp_override(**place):
            getattr(bpy.ops.underpaint, operator)("INVOKE_DEFAULT", **arguments)
        (task,) = runtime.session().tasks

        def done() -> bool:
            if thumbnail.icon_id():
                previewed.add(operator)
            return task.done

        yield from host.until(done, 200, operator)
        yield from host.wait(0.5)  # until the operator has seen it
        return task

    with bpy.context.temp_override(**place):
        host.report(none=why_not("make_control_image", place))
        bpy.ops.underpaint.add_control(image="sketch")
        bpy.ops.ed.undo_push(message="ready")  # as a click on the button does
    yield from host.until(lambda: controls.known.preprocessors, 120, "the preprocessors")
    yield from host.until(lambda: controls.known.models, 120, "the models")
    item = settings.controls[0]
    host.report(
        row=[item.role, item.image.name, item.preprocessor],
        problem=controls.problem(item, settings),
        roles=list(controls.roles()),
    )
    sidebar = next(region for region in place["area"].regions if region.type == "UI")
    sidebar.active_panel_category = "Underpaint"
    sidebar.tag_redraw()
    yield from host.wait(1.0)
    host.report(picture=host.screenshot("panel.png"))

    task = yield from paint("generate_texture")
    (sent,) = task.update.resolved["controls"]
    host.report(state=task.state.value, sent=[sent["role"], sent["preprocessor"], sent["model"]])
    host.report(followed=keep("followed", bpy.data.images[values["prompt"]]))
    bpy.ops.ed.undo()
    yield from host.wait(0.5)
    host.report(
        undone=values["prompt"] not in bpy.data.images, kept=len(bpy.context.scene.underpaint.controls)
    )

    # The control image as an image of its own, which the list then names.
    place["area"].spaces.active.image = bpy.data.images["sketch"]
    task = yield from paint("make_control_image")
    settings = bpy.context.scene.underpaint
    item = settings.controls[0]
    host.report(made=[task.state.value, item.image.name, item.preprocessor], lines=keep("lines", item.image))
    host.report(as_it_is=why_not("make_control_image", place))

    # Of another size, it is scaled over the picture; a role that no net knows is said.
    bpy.ops.underpaint.add_control(image="sketch", role="pose")
    host.report(refused=controls.problem(settings.controls[1], settings))
    with bpy.context.temp_override(**place):
        try:
            bpy.ops.underpaint.generate_texture("INVOKE_DEFAULT")
        except RuntimeError as refused:
            host.report(not_started=str(refused), at_work=len(runtime.session().tasks))
    bpy.ops.underpaint.remove_control()
    item.mask = make("there", np.ones((edge, edge, 4), np.float32))
    host.report(masked=controls.problem(item, settings))
    bpy.data.images.remove(bpy.data.images["there"])
    host.report(mask_gone=controls.problem(item, settings))
    item.mask = None
    host.report(unmasked=controls.problem(item, settings))
    item.image.scale(edge // 2, edge // 2)
    task = yield from paint("generate_texture")
    host.report(scaled=[task.state.value, keep("scaled", bpy.data.images[values["prompt"]])])
    with bpy.context.temp_override(**place):
        bpy.ops.underpaint.remove_control(index=0)
    bpy.data.images.remove(bpy.data.images[values["prompt"]])
    task = yield from paint("generate_texture")
    host.report(free=keep("free", bpy.data.images[values["prompt"]]))
    host.report(previewed=sorted(previewed), still_shown=thumbnail.icon_id())
