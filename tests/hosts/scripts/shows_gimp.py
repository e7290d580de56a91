"""In GIMP: opens a painting, selects and fills the hole, and takes a picture with the dialog open.

Arguments: painting (a file), mask (raw bytes), prompt, seed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gi.repository import Gegl, Gimp, Gio

from tests.hosts.gimp_scripts.painting import call, choose, hands, press, window


def main(host: Any) -> Iterator[None]:
    values = host.arguments
    image = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, Gio.File.new_for_path(values["painting"]))
    image.get_layers()[0].set_name("wall")
    width, height = image.get_width(), image.get_height()
    hole = Gimp.Channel.new(image, "hole", width, height, 100.0, Gegl.Color.new("black"))
    image.insert_channel(hole, None, 0)
    area = Gegl.Rectangle.new(0, 0, width, height)
    hole.get_buffer().set(area, "Y' u8", Path(values["mask"]).read_bytes())
    hole.get_buffer().flush()
    hole.update(0, 0, width, height)
    image.select_item(Gimp.ChannelOps.REPLACE, hole)
    image.remove_channel(hole)
    image.clean_all()
    Gimp.Display.new(image)
    Gimp.displays_flush()
    yield from host.wait(2)
    yield from window(host, "GNU Image Manipulation Program|GIMP$")
    yield from press(host, "ctrl+shift+j")
    status, _, problem = call("underpaint-fill", image, prompt=values["prompt"], seed=str(values["seed"]))
    assert status == "success", problem
    Gimp.displays_flush()
    yield from host.wait(2)
    # Without the ants, so that the seam is seen.
    yield from press(host, "ctrl+t")
    yield from choose(host, "paint the selection anew", "^Fill Selection$")
    yield from host.wait(2)
    found = yield from window(host, "^Fill Selection$")
    hands("windowmove", found, "6", "440")
    hands("type", values["prompt"])
    hands("mousemove", "1150", "500")
    yield from host.wait(2)
    host.report(picture=host.screenshot("gimp.png"), layers=[x.get_name() for x in image.get_layers()])
    yield from press(host, "Escape")
    yield from host.wait(1)
    image.clean_all()
