"""In Blender: fills a triangle of a painted image through the installed extension; undoes and redoes it.

Arguments: steps (of denoising), edge (of the image, in pixels), seed, cancel, killed.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import bpy
import numpy as np

from tests.hosts.drivers.hostscript import Host

PACKAGE = "bl_ext.user_default.underpaint"
TRIANGLE = ((0.24, 0.26), (0.55, 0.37), (0.34, 0.69))
Array = Any


def painting(edge: int) -> Array:
    """A gradient with a disc, RGBA floats, the bottom row first."""
    y, x = np.mgrid[0:edge, 0:edge] / edge
    rgba = np.stack([x, y, 1.0 - x * y, np.ones_like(x)], axis=2)
    rgba[(x - 0.7) ** 2 + (y - 0.4) ** 2 < 0.02] = (0.9, 0.2, 0.1, 1.0)
    return (np.rint(rgba * 255) / 255).astype(np.float32)


def triangle(edge: int) -> Array:
    """1 inside a triangle that lies on no border of 8 px."""
    # Of one size on every canvas: what a fill costs must not depend on the picture around it.
    y, x = np.mgrid[0:edge, 0:edge] / min(edge, 500)
    inside = np.ones((edge, edge), bool)
    for (ax, ay), (bx, by) in zip(TRIANGLE, (*TRIANGLE[1:], TRIANGLE[0]), strict=True):
        inside &= (bx - ax) * (y - ay) - (by - ay) * (x - ax) >= 0
    return inside.astype(np.float32)


def read(image: Any) -> Array:
    flat = np.empty(image.size[0] * image.size[1] * image.channels, np.float32)
    image.pixels.foreach_get(flat)
    return flat.reshape(image.size[1], image.size[0], image.channels)


def make(name: str, pixels: Array) -> Any:
    image = bpy.data.images.new(name, pixels.shape[1], pixels.shape[0], alpha=True)
    image.pixels.foreach_set(np.ascontiguousarray(pixels).ravel())
    image.update()
    image.pack()
    return image


def start(name: str, **arguments: Any) -> None:
    """As a click would (modal) where there is a window, as a script would where there is none."""
    operator = getattr(bpy.ops.underpaint, name)
    if bpy.app.background:
        operator(**arguments)
        return
    window = bpy.context.window_manager.windows[0]
    area = max(window.screen.areas, key=lambda area: area.width * area.height)
    area.type = "IMAGE_EDITOR"
    if "image" in arguments:
        area.spaces.active.image = bpy.data.images[arguments["image"]]
    region = next(region for region in area.regions if region.type == "WINDOW")
    with bpy.context.temp_override(window=window, area=area, region=region):
        operator("INVOKE_DEFAULT", **arguments)


def main(host: Host) -> Iterator[None]:
    runtime = importlib.import_module(f"{PACKAGE}.runtime")
    edge = host.arguments.get("edge", 300)
    mask = triangle(edge)
    image = make("Painting", painting(edge))
    before = read(image)
    make("Hole", np.stack([mask, mask, mask, np.ones_like(mask)], axis=2))
    material = bpy.data.materials.new("Wall")
    material.use_nodes = True
    node = material.node_tree.nodes.new("ShaderNodeTexImage")
    node.image = image
    settings = bpy.context.scene.underpaint
    settings.random_seed, settings.seed = False, host.arguments.get("seed", 7)
    settings.steps = host.arguments.get("steps", 3)
    bpy.ops.ed.undo_push(message="painted")

    start("fill_mask", prompt="red brick", image="Painting", mask="Hole")
    session = runtime.session()
    if host.arguments.get("cancel"):
        (task,) = session.tasks
        yield from host.until(lambda: task.job_name, named="the job")
        bpy.ops.underpaint.cancel()
        yield from host.until(lambda: task.done, named="the cancellation")
        host.report(state=task.state.value, unchanged=np.array_equal(read(node.image), before).__bool__())
        return
    if host.arguments.get("killed"):
        (task,) = session.tasks
        yield from host.until(lambda: task.job_name, named="the job")
        host.report(submitted=True)
        yield from host.until(lambda: runtime.adapter().notices, named="the message")
        host.report(said=[notice.text for notice in runtime.adapter().notices])
        yield from host.until(lambda: task.done, 400, "the end")
        changed = (read(node.image) != before).any(axis=2)[mask > 0].mean()
        host.report(state=task.state.value, inside=float(changed), error=str(task.error))
        return
    yield from host.until(lambda: not session.tasks, 600, "the fill")
    yield from host.wait(0.2)
    filled = read(node.image)
    host.report(
        notices=[notice.text for notice in runtime.adapter().notices],
        progress=runtime.adapter().progressed,
        name=node.image.name,
        size=list(node.image.size),
        inside=float((filled != before).any(axis=2)[mask > 0].mean()),
        outside=int((filled != before).any(axis=2)[far(mask)].sum()),
        picture=np.rint(filled * 255).astype(int)[::-1][edge // 3 : edge // 2].sum(axis=(0, 1)).tolist(),
        longest_ms=session.meter.longest_ms,
        longest_what=session.meter.longest_what,
    )
    bpy.ops.ed.undo()
    yield from host.wait(0.2)
    host.report(undone=bool(np.array_equal(read(bpy.data.images["Painting"]), before)))
    host.report(undone_user=bpy.data.materials["Wall"].node_tree.nodes["Image Texture"].image.name)
    bpy.ops.ed.redo()
    yield from host.wait(0.2)
    user = bpy.data.materials["Wall"].node_tree.nodes["Image Texture"].image
    host.report(redone=bool(np.array_equal(read(user), filled)), redone_user=user.name)
    host.report(
        redone_images=[
            (i.name, float(read(i).mean()), i.packed_file is not None) for i in bpy.data.images if i.size[0]
        ]
    )
    if not bpy.app.background:
        host.report(shot=host.screenshot("filled.png"))


def far(mask: Array) -> Array:
    """Everything that is more than a third of the hole's size away from the hole's bounds."""
    rows, columns = np.nonzero(mask)
    reach = max(np.ptp(rows), np.ptp(columns)) // 3
    outside = np.ones(mask.shape, bool)
    outside[
        max(0, rows.min() - reach) : rows.max() + reach, max(0, columns.min() - reach) : columns.max() + reach
    ] = False
    return outside
