"""In GIMP: paints what the arguments say over the painting in `folder`, and leaves the picture there.

Arguments: folder, size, verb ("fill" or "generate"), prompt, seed, steps, out. Begins when told to `go`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gi.repository import Gegl, Gimp

from tests.hosts.gimp_scripts.painting import call, new_layer, visible


def put(drawable: Any, babl: str, data: bytes) -> None:
    width, height = drawable.get_width(), drawable.get_height()
    drawable.get_buffer().set(Gegl.Rectangle.new(0, 0, width, height), babl, data)
    drawable.get_buffer().flush()
    drawable.update(0, 0, width, height)


def main(host: Any) -> Iterator[None]:
    values = host.arguments
    folder, size = Path(values["folder"]), values["size"]
    image = Gimp.Image.new_with_precision(*size, Gimp.ImageBaseType.RGB, Gimp.Precision.U8_NON_LINEAR)
    ground = new_layer(image, "ground", tuple(size))
    image.insert_layer(ground, None, 0)
    put(ground, "R'G'B'A u8", (folder / "painting.rgba").read_bytes())
    if values["verb"] == "fill":
        channel = Gimp.Channel.new(image, "hole", *size, 100.0, Gegl.Color.new("black"))
        image.insert_channel(channel, None, 0)
        # GIMP keeps a channel's values as they are when it makes them a selection, and those are encoded.
        put(channel, "Y' u8", (folder / "mask.gray").read_bytes())
        image.select_item(Gimp.ChannelOps.REPLACE, channel)
        image.remove_channel(channel)
    host.report(ready=True)
    yield from host.until(lambda: host.told("go"), 600, "the others")
    host.report(began=time.time())
    state, _, problem = call(
        f"underpaint-{values['verb']}",
        image,
        prompt=values["prompt"],
        seed=str(values["seed"]),
        steps=values["steps"],
    )
    host.report(ended=time.time(), state="placed" if state == "success" else state, problem=problem)
    Path(values["out"]).write_bytes(visible(image))
    notes = image.get_parasite("underpaint-provenance")
    host.report(records=bytes(notes.get_data()).decode().rstrip("\0") if notes else "")
    image.delete()
