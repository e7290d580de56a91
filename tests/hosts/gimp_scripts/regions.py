"""In GIMP: two layers with words of their own, and a LoRA, as a script asks for them and through the dialog.

Arguments: scripts (a folder), layers (files of raw RGBA by name), words (by name), edge, prompt, seed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gi.repository import Gegl, Gimp, Gio

PARASITE = "underpaint-regions"


def yard(edge: int, files: dict[str, str]) -> tuple[Any, dict[str, Any]]:
    """A white image with the parts on hidden layers above, and these by name."""
    from painting import fill_with, new_layer

    image = Gimp.Image.new_with_precision(edge, edge, Gimp.ImageBaseType.RGB, Gimp.Precision.U8_NON_LINEAR)
    ground = new_layer(image, "ground", (edge, edge), alpha=False)
    image.insert_layer(ground, None, 0)
    fill_with(ground, lambda x, y: b"\xff\xff\xff")
    made = {}
    for name, file in files.items():
        made[name] = new_layer(image, name, (edge, edge))
        image.insert_layer(made[name], None, 0)
        area = Gegl.Rectangle.new(0, 0, edge, edge)
        made[name].get_buffer().set(area, "R'G'B'A u8", Path(file).read_bytes())
        made[name].get_buffer().flush()
        made[name].update(0, 0, edge, edge)
        made[name].set_visible(False)  # or a fill would take after its colour
    image.set_selected_layers([made["wall"]])
    image.clean_all()
    return image, made


def main(host: Any) -> Iterator[None]:
    values = host.arguments
    sys.path.insert(0, values["scripts"])
    from painting import MAIN, call, choose, comes_to, hands, pixels, press, state, window

    words, prompt = values["words"], values["prompt"]
    image, parts = yard(values["edge"], values["layers"])
    before = state(image)
    last = {"prompt": prompt, "seed": str(values["seed"])}
    rows = [
        {"prompt": words[name], "choice": str(parts[name].get_tattoo()), "title": name}
        for name in ("wall", "meadow")
    ]
    wanted = {**last, "regions": json.dumps(rows)}

    def painted(name: str, procedure: str, **arguments: Any) -> None:
        status, layer, error = call(procedure, image, **arguments)
        target = host.folder / f"{name}.rgba"
        if layer is not None:
            # A layer's own pixels, where it lies on the canvas.
            _, left, top = layer.get_offsets()
            area = Gegl.Rectangle.new(-left, -top, values["edge"], values["edge"])
            found = layer.get_buffer().get(area, 1.0, "R'G'B'A u8", Gegl.AbyssPolicy.NONE)
            target.write_bytes(bytes(found))
            image.remove_layer(layer)
        host.report(**{name: [status, error, str(target)]})

    # A script names layers and words.
    painted("generated", "underpaint-generate", source="words", **wanted)
    Gimp.Selection.all(image)
    painted("filled", "underpaint-fill", **wanted)
    Gimp.Selection.none(image)
    painted("varied", "underpaint-more", verb="variation", **wanted)
    # A saved selection is a region, too.
    image.select_item(Gimp.ChannelOps.REPLACE, parts["wall"])
    channel = Gimp.Selection.save(image)
    Gimp.Selection.none(image)
    saved = {"prompt": words["wall"], "source": "channel", "choice": str(channel.get_tattoo())}
    painted(
        "by_channel",
        "underpaint-generate",
        source="words",
        **{**last, "regions": json.dumps([saved, rows[1]])},
    )
    image.remove_channel(channel)
    painted("plain", "underpaint-generate", source="words", **last)
    worn = json.dumps([{"name": "ink", "strength": 0.5}])
    painted("changed", "underpaint-generate", source="words", loras=worn, **last)
    image.set_selected_layers([parts["wall"]])
    host.report(untouched=state(image)[2] == before[2])
    image.clean_all()

    # The dialog, by its keys: open the list, add two rows, say what is there.
    Gimp.attach_parasite(
        Gimp.Parasite.new("underpaint-generate", 1, json.dumps({**last, "loras": worn}).encode())
    )
    Gimp.Display.new(image)
    Gimp.displays_flush()
    yield from window(host, MAIN)
    yield from choose(host, "paint a picture from words", "^Generate$")
    yield from host.wait(2.5)
    dialog = yield from window(host, "^Generate$")

    def height() -> int:
        return int(hands("getwindowgeometry", "--shell", dialog).split("HEIGHT=")[1].split()[0])

    for key, name in (("alt+i", ""), ("alt+d", "wall"), ("alt+d", "meadow")):
        # What is typed goes where the dialog's keyboard is: not before the row is there.
        was = height()
        yield from press(host, key)
        yield from host.until(lambda was=was: height() >= was + 30, 60, f"the dialog grows: {key} {name}")
        if name:
            hands("type", words[name])
    yield from host.wait(1.5)
    host.report(dialog=host.screenshot("dialog.png"))
    count = len(image.get_layers())
    yield from press(host, "ctrl+Return")
    yield from host.until(lambda: len(image.get_layers()) > count, 180, "the picture")
    target = host.folder / "by_dialog.rgba"
    target.write_bytes(pixels(image.get_layers()[0]))
    host.report(by_dialog=str(target))

    def order() -> list[str]:
        return [one.get_name() for one in image.get_layers()]

    host.report(undone=(yield from comes_to(host, "ctrl+z", order, ["wall", "meadow", "ground"])))

    # What was said is in the file.
    file = Gio.File.new_for_path(str(host.folder / "yard.xcf"))
    Gimp.file_save(Gimp.RunMode.NONINTERACTIVE, image, file, None)
    again = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, file)
    kept = json.loads(bytes(again.get_parasite(PARASITE).get_data()).rstrip(b"\0"))
    found = [again.get_layer_by_tattoo(int(row["choice"])).get_name() for row in kept]
    host.report(kept=[[row["title"], row["prompt"]] for row in kept], kept_layers=found)
    again.delete()

    # Last: where there is a window, GIMP tells of each in a box that hides it.
    for name, text in (
        ("lost", '{"prompt": "moss", "choice": "999", "title": "pond"}'),
        ("wordless", json.dumps({**rows[0], "prompt": ""})),
        ("mistyped", '[{"promt": "moss"}]'),
    ):
        status, _, error = call("underpaint-generate", image, source="words", **{**wanted, "regions": text})
        host.report(**{name: [status, error]})
    yield from host.wait(1)
    image.clean_all()
