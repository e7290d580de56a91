"""In Blender: paints what the arguments say over the painting in `folder`, and leaves the picture there.

Arguments: folder, size, verb ("fill" or "generate"), prompt, seed, steps, out. Begins when told to `go`.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy
import numpy as np

RUNTIME = "bl_ext.user_default.underpaint.runtime"


def new_image(name: str, rgba: Any) -> Any:
    height, width = rgba.shape[:2]
    image = bpy.data.images.new(name, width, height, alpha=True)
    image.pixels.foreach_set((rgba[::-1] / 255).astype(np.float32).ravel())
    image.update()
    image.pack()
    return image


def main(host: Any) -> Iterator[None]:
    runtime = importlib.import_module(RUNTIME)
    values = host.arguments
    folder, (width, height) = Path(values["folder"]), values["size"]
    painting = np.frombuffer((folder / "painting.rgba").read_bytes(), np.uint8).reshape(height, width, 4)
    mask = np.frombuffer((folder / "mask.gray").read_bytes(), np.uint8).reshape(height, width)
    for image in list(bpy.data.images):
        bpy.data.images.remove(image)
    new_image("Painting", painting)
    new_image("Hole", np.stack([mask, mask, mask, np.full_like(mask, 255)], axis=2))
    settings = bpy.context.scene.underpaint
    settings.random_seed, settings.seed, settings.steps = False, values["seed"], values["steps"]
    settings.tile_x = settings.tile_y = False
    settings.width, settings.height = width, height
    host.report(ready=True)
    yield from host.until(lambda: host.told("go"), 600, "the others")
    host.report(began=time.time())
    if values["verb"] == "fill":
        answer = bpy.ops.underpaint.fill_mask(prompt=values["prompt"], image="Painting", mask="Hole")
    else:
        answer = bpy.ops.underpaint.generate_texture(prompt=values["prompt"])
    problem = " ".join(notice.text for notice in runtime.adapter().notices if notice.problem)
    host.report(ended=time.time(), state="placed" if answer == {"FINISHED"} else "failed", problem=problem)
    made = bpy.data.images[runtime.adapter().last_image]
    flat = np.empty(width * height * 4, np.float32)
    made.pixels.foreach_get(flat)
    rgba = np.rint(flat.reshape(height, width, 4)[::-1] * 255).astype(np.uint8)
    Path(values["out"]).write_bytes(rgba.tobytes())
    host.report(records=made.get("underpaint-provenance", ""))
