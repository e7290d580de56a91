"""In Krita: paints what the arguments say over the painting in `folder`, and leaves the picture there.

Arguments: folder, size, verb ("fill" or "generate"), prompt, seed, steps, out. Begins when told to `go`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from krita import Krita, Selection
from underpaint_krita import plugin
from underpaint_krita.choices import Choices


def main(host: Any) -> Iterator[None]:
    values = host.arguments
    folder, (width, height) = Path(values["folder"]), values["size"]
    controller = plugin.controller()
    controller.reconnect()
    yield from host.until(lambda: controller.link.value in ("ready", "lost"), named="the daemon")
    assert controller.link.value == "ready", controller.link_problem
    document = Krita.instance().createDocument(width, height, "wall", "RGBA", "U8", "", 72.0)
    Krita.instance().activeWindow().addView(document)
    yield from host.until(lambda: Krita.instance().activeDocument() == document, named="the picture in front")
    yield from host.wait(0.5)
    rgba = (folder / "painting.rgba").read_bytes()
    bgra = bytearray(rgba)
    bgra[0::4], bgra[2::4] = rgba[2::4], rgba[0::4]
    document.topLevelNodes()[0].setPixelData(bytes(bgra), 0, 0, width, height)
    document.refreshProjection()
    if values["verb"] == "fill":
        selection = Selection()
        selection.setPixelData((folder / "mask.gray").read_bytes(), 0, 0, width, height)
        document.setSelection(selection)
    yield from host.wait(0.5)
    defaults = vars(Choices(prompt=values["prompt"], seed=str(values["seed"]), steps=values["steps"]))
    controller.choose(**defaults)
    host.report(ready=True)
    yield from host.until(lambda: host.told("go"), 600, "the others")
    host.report(began=time.time())
    task = controller.fill() if values["verb"] == "fill" else controller.generate()
    yield from host.until(lambda: not controller.tasks, 600, "the picture")
    document.waitForDone()
    host.report(ended=time.time(), state=task.state.value, problem=str(task.error or ""))
    bgra = bytes(document.pixelData(0, 0, width, height))
    made = bytearray(bgra)
    made[0::4], made[2::4] = bgra[2::4], bgra[0::4]
    Path(values["out"]).write_bytes(made)
    host.report(records=bytes(document.annotation("underpaint-provenance")).decode())
    document.setSelection(None)  # closing with something selected crashed Krita 5.2 now and then
    document.waitForDone()
    document.setModified(False)
    document.close()
    yield from host.wait(0.3)
