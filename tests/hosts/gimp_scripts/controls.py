"""In GIMP: a layer with a drawing guides a picture, as a script asks for it and through the dialog.

Arguments: scripts (a folder), strokes (a file of raw RGBA), edge, prompt, seed, guidance.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gi.repository import Gegl, Gimp


def plan(edge: int, strokes: str) -> tuple[Any, Any]:
    """A white image with a drawing on a layer above, and that layer."""
    from painting import fill_with, new_layer

    image = Gimp.Image.new_with_precision(edge, edge, Gimp.ImageBaseType.RGB, Gimp.Precision.U8_NON_LINEAR)
    ground = new_layer(image, "ground", (edge, edge), alpha=False)
    image.insert_layer(ground, None, 0)
    fill_with(ground, lambda x, y: b"\xff\xff\xff")
    sketch = new_layer(image, "sketch", (edge, edge))
    image.insert_layer(sketch, None, 0)
    area = Gegl.Rectangle.new(0, 0, edge, edge)
    sketch.get_buffer().set(area, "R'G'B'A u8", Path(strokes).read_bytes())
    sketch.get_buffer().flush()
    sketch.update(0, 0, edge, edge)
    image.set_selected_layers([sketch])
    image.clean_all()
    return image, sketch


def main(host: Any) -> Iterator[None]:
    values = host.arguments
    sys.path.insert(0, values["scripts"])
    from painting import MAIN, call, choose, comes_to, pixels, press, state, window

    image, sketch = plan(values["edge"], values["strokes"])
    before = state(image)
    wanted = {
        "prompt": values["prompt"],
        "seed": str(values["seed"]),
        "guidance_scale": values["guidance"],
        "source": "words",
    }

    def keep(name: str, layer: Any) -> str:
        target = host.folder / f"{name}.rgba"
        target.write_bytes(pixels(layer))
        return str(target)

    # A script names role and layer; what suits a drawing is chosen.
    status, layer, error = call(
        "underpaint-generate", image, control_role="line-art", control_layer=sketch, **wanted
    )
    host.report(generate=[status, error], followed=keep("followed", layer) if layer else "")
    image.remove_layer(layer)
    status, layer, error = call("underpaint-generate", image, **wanted)
    host.report(free=keep("free", layer))
    image.remove_layer(layer)
    host.report(untouched=state(image)[2] == before[2])

    # The control image on a layer of its own.
    status, layer, error = call("underpaint-control-layer", image, control_layer=sketch)
    host.report(made=[status, error, layer.get_name() if layer else ""], lines=keep("lines", layer))
    image.remove_layer(layer)
    image.set_selected_layers([sketch])
    image.clean_all()

    # The dialog: what the image was told to keep to, changed by its buttons, is there again the next time.
    rows = [
        {
            "role": "line-art",
            "choice": str(sketch.get_tattoo()),
            "title": "sketch",
            "preprocessor": "line-art",
        }
    ]
    image.attach_parasite(Gimp.Parasite.new("underpaint-controls", 1, json.dumps(rows).encode()))
    last = {"prompt": values["prompt"], "seed": wanted["seed"], "guidance-scale": values["guidance"]}
    Gimp.attach_parasite(Gimp.Parasite.new("underpaint-generate", 1, json.dumps(last).encode()))
    Gimp.Display.new(image)
    Gimp.displays_flush()
    yield from window(host, MAIN)
    yield from choose(host, "paint a picture from words", "^Generate$")
    yield from host.wait(2.5)
    host.report(dialog=host.screenshot("dialog.png"))
    count = len(image.get_layers())
    yield from press(host, "ctrl+Return")
    yield from host.until(lambda: len(image.get_layers()) > count, 120, "the picture")
    host.report(by_dialog=keep("by_dialog", image.get_layers()[0]))

    def order() -> list[str]:
        return [one.get_name() for one in image.get_layers()]

    host.report(undone=(yield from comes_to(host, "ctrl+z", order, ["sketch", "ground"])))

    yield from choose(host, "find lines and edges", "^Make Control Layer$")
    yield from host.wait(2.5)
    host.report(make_dialog=host.screenshot("make.png"))
    yield from press(host, "Return")
    yield from host.until(lambda: len(image.get_layers()) > count, 120, "the control layer")
    made = image.get_layers()[0]

    def kept() -> Any:
        return json.loads(bytes(image.get_parasite("underpaint-controls").get_data()).rstrip(b"\0"))

    yield from host.until(lambda: kept() != rows, 60, "the image keeps to the new layer")
    host.report(made_by_hand=made.get_name(), keeps_to=kept(), tattoo=str(made.get_tattoo()))

    # Last: where there is a window, GIMP tells of each in a box that hides it.
    refused = {}
    for name, more in (
        ("role", {"control_role": "pose"}),
        ("json", {"controls": '[{"role": "depth", "stregth": 1}]'}),
        ("layer", {"controls": '[{"role": "depth", "choice": "999", "title": "relief"}]'}),
        ("preprocessor", {"control_role": "line-art", "control_preprocessor": "no-such"}),
    ):
        status, _, error = call("underpaint-generate", image, **{**wanted, **more})
        refused[name] = [status, error]
    host.report(refused=refused)
    yield from host.wait(1)
    image.clean_all()
