"""In GIMP: the verbs of underpaint's own as a script calls them. What each one shows is kept as raw RGBA.

Arguments: scripts (a folder), wall and paint (files), width, height.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gi.repository import Gegl, Gimp


def wall(values: dict[str, Any]) -> Any:
    """The picture with a layer that is empty above it, and its selection."""
    from painting import new_layer

    size = values["width"], values["height"]
    image = Gimp.Image.new_with_precision(*size, Gimp.ImageBaseType.RGB, Gimp.Precision.U8_NON_LINEAR)
    area = Gegl.Rectangle.new(0, 0, *size)
    for number, name in enumerate(("ground", "empty")):
        layer = new_layer(image, name, size)
        image.insert_layer(layer, None, 0)
        if not number:
            layer.get_buffer().set(area, "R'G'B'A u8", Path(values["wall"]).read_bytes())
            layer.get_buffer().flush()
            layer.update(0, 0, *size)
    chosen = image.get_selection()
    chosen.get_buffer().set(area, "Y u8", Path(values["paint"]).read_bytes())
    chosen.get_buffer().flush()
    chosen.update(0, 0, *size)
    image.clean_all()
    return image


def main(host: Any) -> Iterator[None]:
    values = host.arguments
    sys.path.insert(0, values["scripts"])
    from painting import MAIN, call, choose, comes_to, pixels, press, state, visible, window

    image = wall(values)
    Gimp.Display.new(image)
    Gimp.displays_flush()
    yield from window(host, MAIN)
    before = state(image)

    def keep(name: str, data: bytes) -> str:
        target = host.folder / f"{name}.rgba"
        target.write_bytes(data)
        return str(target)

    def look() -> Any:
        return state(image)

    def told(layer: Any) -> dict[str, Any]:
        _, x, y = layer.get_offsets()
        return {
            "layer": layer.get_name(),
            "place": [x, y, layer.get_width(), layer.get_height()],
            "position": image.get_item_position(layer),
        }

    def run(name: str, **properties: Any) -> Any:
        """A verb as a script calls it, then Ctrl+Z."""
        status, layer, error = call(f"underpaint-{name}", image, seed="7", **properties)
        seen = {"status": status, "error": error}
        if layer is not None:
            Gimp.displays_flush()
            seen |= told(layer) | {"seen": keep(name, visible(image))}
            made = image.get_layers()[: -len(before[2])]
            seen["layers"] = [[one.get_name(), keep(f"{name}-{one.get_name()}", pixels(one))] for one in made]
            if name == "expand":
                # All of it is seen once the canvas fits its layers.
                large = image.duplicate()
                large.resize_to_layers()
                seen["canvas"] = [large.get_width(), large.get_height()]
                seen["seen"] = keep("expand", visible(large))
                large.delete()
            seen["undone"] = yield from comes_to(host, "ctrl+z", look, before)
        host.report(**{name: seen})

    host.report(before=keep("before", visible(image)))
    # As a person does it: from the menu, by its dialog.
    yield from choose(host, "takes away what is selected", "^Remove Selection$")
    yield from host.wait(2.5)
    host.report(dialog=host.screenshot("dialog.png"))
    yield from press(host, "Return")
    count = len(before[2])
    yield from host.until(lambda: len(image.get_layers()) > count, 300, "the layer")
    yield from host.wait(1)
    host.report(
        remove=told(image.get_layers()[0])
        | {
            "seen": keep("remove", visible(image)),
            "undone": (yield from comes_to(host, "ctrl+z", look, before)),
        }
    )

    yield from run("refine", prompt="cobblestone", strength=0.35)
    yield from run("expand", right=96, bottom=40)
    yield from run("variation", prompt="cobblestone", strength=0.6)
    yield from run("pbr-maps", relief=6.0)

    # A picture of its own.
    status, layer, error = call("underpaint-upscale", image, seed="7", factor=2.0)
    larger = layer.get_image()
    host.report(
        upscale=[status, error, [larger.get_width(), larger.get_height()]],
        larger=keep("larger", visible(larger)),
        undone=state(image) == before,
    )
    larger.clean_all()

    # Last: where there is a window, GIMP tells of each in a box that hides it.
    refused = {}
    for name, more in (("edit", {"prompt": "make it night"}), ("expand", {}), ("remove", {})):
        if name == "remove":
            Gimp.Selection.none(image)
        refused[name] = list(call(f"underpaint-{name}", image, **more))[::2]
    host.report(refused=refused)
    yield from host.wait(1)
    image.clean_all()
