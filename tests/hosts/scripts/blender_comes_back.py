"""In Blender: jobs and files that are closed, ended and opened again; clicks before the daemon is there.

Arguments: case (a function below), file (for those that open one).
"""

from __future__ import annotations

import importlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from tests.hosts.drivers.hostscript import Host
from tests.hosts.scripts.blender_fills import PACKAGE, make, painting, read, start, triangle

EDGE = 200


def mask_of(name: str, place: Any) -> Any:
    """A mask image, white at `place`."""
    mask = np.zeros((EDGE, EDGE), np.float32)
    mask[place] = 1.0
    make(name, np.stack([mask, mask, mask, np.ones_like(mask)], axis=2))
    return mask


def picture(name: str) -> Any:
    """A painted image that a file keeps."""
    image = make(name, painting(EDGE))
    image.use_fake_user = True
    return image


def settings(**values: Any) -> None:
    chosen = bpy.context.scene.underpaint
    chosen.random_seed, chosen.seed = False, 7
    for name, value in values.items():
        setattr(chosen, name, value)


def noted() -> list[str]:
    place = Path(bpy.utils.extension_path_user(PACKAGE, create=True)) / "pending.json"
    return json.loads(place.read_text("utf-8")) if place.exists() else []


def submitted(host: Host, steps: int) -> Iterator[None]:
    """A saved file, and a job for its image that is on its way."""
    runtime = importlib.import_module(f"{PACKAGE}.runtime")
    picture("Painting")
    mask_of("Hole", triangle(EDGE) > 0)
    settings(steps=steps)
    bpy.ops.wm.save_as_mainfile(filepath=host.arguments["file"])
    start("fill_mask", prompt="red brick", image="Painting", mask="Hole")
    yield from host.until(lambda: runtime.session().tasks[0].job_name, 60, "the job")


def changed() -> dict[str, float]:
    """How much of the image is another one than was painted, inside of the hole and far away from it."""
    differs = np.abs(read(bpy.data.images["Painting"])[..., :3] - painting(EDGE)[..., :3]).max(axis=2)
    hole = triangle(EDGE) > 0
    return {"inside": float((differs > 0.01)[hole].mean()), "corner": float(differs[:20, :20].max())}


def leaves(host: Host) -> Iterator[None]:
    """A job is on its way; then the test ends Blender."""
    yield from submitted(host, 40)
    host.report(noted=noted())


def returns(host: Host) -> Iterator[None]:
    """Opens the file, touches nothing."""
    runtime = importlib.import_module(f"{PACKAGE}.runtime")
    host.report(before_opening=noted())
    bpy.ops.wm.open_mainfile(filepath=host.arguments["file"])
    yield from host.until(lambda: changed()["inside"] > 0.9, 120, "the picture")
    yield from host.until(lambda: not noted(), 30, "the note's end")
    host.report(**changed(), said=[notice.text for notice in runtime.adapter().notices if notice.problem])
    bpy.ops.wm.open_mainfile(filepath=host.arguments["file"])
    yield from host.wait(1.0)
    host.report(again=changed()["inside"], images=sorted(bpy.data.images.keys()))


def elsewhere(host: Host) -> Iterator[None]:
    """Another file is opened while the job runs; then the first one again."""
    runtime = importlib.import_module(f"{PACKAGE}.runtime")
    other = Path(host.arguments["file"]).with_name("other.blend")
    bpy.ops.wm.save_as_mainfile(filepath=str(other))
    yield from submitted(host, 60)
    (task,) = runtime.session().tasks
    bpy.ops.wm.open_mainfile(filepath=str(other))
    host.report(gone="Painting" not in bpy.data.images)
    yield from host.until(lambda: task.done, 120, "the job's end")
    host.report(state=task.state.value, noted=noted())
    bpy.ops.wm.open_mainfile(filepath=host.arguments["file"])
    yield from host.until(lambda: changed()["inside"] > 0.9, 60, "the picture")
    yield from host.until(lambda: not noted(), 30, "the note's end")
    host.report(**changed())


def quiet(host: Host) -> Iterator[None]:
    """A file without jobs of ours: nobody asks, no daemon is started."""
    runtime = importlib.import_module(f"{PACKAGE}.runtime")
    picture("Painting")
    bpy.ops.wm.save_as_mainfile(filepath=host.arguments["file"])
    bpy.ops.wm.open_mainfile(filepath=host.arguments["file"])
    yield from host.wait(1.0)
    host.report(session=runtime._session is not None)


def early(host: Host) -> Iterator[None]:
    """Two clicks for two images, then strokes, before the daemon is reached."""
    runtime = importlib.import_module(f"{PACKAGE}.runtime")
    connection, there = runtime.session()._connection, threading.Event()
    connect = connection._connect

    def late() -> Any:
        there.wait(60)
        return connect()

    connection._connect = late
    settings(steps=3)
    first = picture("First")
    picture("Second")
    upper, lower = mask_of("Upper", np.s_[120:160, 20:90]), mask_of("Lower", np.s_[30:70, 110:180])
    start("fill_mask", prompt="red brick", image="First", mask="Upper")
    start("fill_mask", prompt="red brick", image="Second", mask="Lower")
    bpy.data.images["Upper"].pixels.foreach_set(np.zeros(EDGE * EDGE * 4, np.float32))
    first.pixels.foreach_set(np.zeros(EDGE * EDGE * 4, np.float32))
    tasks = runtime.session().tasks
    yield from host.wait(0.3)
    there.set()
    yield from host.until(lambda: all(task.done for task in tasks), 120, "the fills")
    host.report(states=[task.state.value for task in tasks])
    for task in tasks:
        host.report(**{f"for_{task.update.origin.document_id.partition('|')[2]}": True})
    seen = {name: read(bpy.data.images[name])[..., :3] for name in ("First", "Second")}
    was = painting(EDGE)[..., :3]
    host.report(
        first_hole=float((seen["First"][upper > 0].max(axis=1) > 0.01).mean()),
        first_kept_stroke=float(seen["First"][:20, :20].max()),
        second_hole=float((np.abs(seen["Second"] - was).max(axis=2) > 0.01)[lower > 0].mean()),
        second_at_the_firsts=float(np.abs(seen["Second"] - was)[upper > 0].max()),
    )


CASES = {case.__name__: case for case in (leaves, returns, elsewhere, quiet, early)}


def main(host: Host) -> Iterator[None]:
    yield from CASES[host.arguments["case"]](host)
