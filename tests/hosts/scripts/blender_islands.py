"""In Blender: an image on a cube is filled all over: its UV islands change, and their padding."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import bpy
import numpy as np

from tests.hosts.drivers.hostscript import Host
from tests.hosts.scripts.blender_fills import PACKAGE, make, painting, read, start

EDGE, PADDING = 256, 6


def layout(cube: Any) -> Any:
    """Texels whose centre lies in one of the cube's faces, which are convex; the bottom row first."""
    y, x = (np.mgrid[0:EDGE, 0:EDGE] + 0.5) / EDGE
    found = np.zeros((EDGE, EDGE), bool)
    points = cube.data.uv_layers.active.uv
    for face in cube.data.polygons:
        corners = [tuple(points[loop].vector) for loop in face.loop_indices]
        sides = [
            (bx - ax) * (y - ay) - (by - ay) * (x - ax)
            for (ax, ay), (bx, by) in zip(corners, corners[1:] + corners[:1], strict=True)
        ]
        found |= np.all(np.stack(sides) >= 0, axis=0) | np.all(np.stack(sides) <= 0, axis=0)
    return found


def grown(mask: Any, by: int) -> Any:
    """Everything within so many texels, Euclidean."""
    wide = mask.copy()
    for down in range(-by, by + 1):
        for right in range(-by, by + 1):
            if down * down + right * right <= by * by:
                padded = np.pad(mask, by)
                wide |= padded[by + down : by + down + EDGE, by + right : by + right + EDGE]
    return wide


def main(host: Host) -> Iterator[None]:
    runtime = importlib.import_module(f"{PACKAGE}.runtime")
    image = make("Atlas", painting(EDGE))
    before = read(image)
    make("All", np.ones((EDGE, EDGE, 4), np.float32))
    cube = bpy.data.objects["Cube"]
    bpy.context.view_layer.objects.active = cube
    material = bpy.data.materials.new("Wall")
    material.use_nodes = True
    node = material.node_tree.nodes.new("ShaderNodeTexImage")
    node.image = image
    cube.data.materials.clear()
    cube.data.materials.append(material)
    settings = bpy.context.scene.underpaint
    settings.random_seed, settings.seed, settings.steps, settings.padding = False, 7, 2, PADDING
    inside = layout(cube)
    around = grown(inside, PADDING)

    start("fill_mask", prompt="red brick", image="Atlas", mask="All")
    yield from host.until(lambda: not runtime.session().tasks, 600, "the fill")
    yield from host.wait(0.2)
    filled = read(node.image)
    changed = (filled != before).any(axis=2)
    # To the left of a face that is a square, each row of the padding is the row's first texel.
    rows, columns = np.nonzero(inside & ~np.roll(inside, 1, axis=1))
    straight = [
        (row, column)
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
        if column >= PADDING
        and not inside[max(0, row - PADDING) : row + PADDING + 1, column - PADDING : column].any()
    ]
    host.report(
        notices=[notice.text for notice in runtime.adapter().notices],
        islands=float(inside.mean()),
        inside=float(changed[inside].mean()),
        ring=float(changed[around & ~inside].mean()),
        outside=int(changed[~around].sum()),
        straight=len(straight),
        padded=bool(
            all(
                (filled[row, column - PADDING : column] == filled[row, column]).all()
                for row, column in straight
            )
        ),
        longest_ms=runtime.session().meter.longest_ms,
        longest_what=runtime.session().meter.longest_what,
    )
    if not bpy.app.background:
        host.report(shot=host.screenshot("islands.png"))
        settings.width = settings.height = 128
        start("generate_texture", prompt="red brick")
        yield from host.until(lambda: not runtime.session().tasks, 600, "the texture")
        yield from host.wait(0.2)
        made = bpy.data.images[runtime.adapter().last_image]
        alpha = read(made)[..., 3]
        host.report(
            texture=list(made.size),
            texture_shows=float((alpha > 0.99).mean()),
            clear=float((alpha == 0.0).mean()),
        )
    settings.islands = False
    start("fill_mask", prompt="red brick", image="Atlas", mask="All")
    yield from host.until(lambda: not runtime.session().tasks, 600, "the fill without islands")
    yield from host.wait(0.2)
    host.report(without=float((read(node.image) != before).any(axis=2)[~around].mean()))
