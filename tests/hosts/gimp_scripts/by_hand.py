"""In GIMP's window: *Fill Selection* as a person does it, then undo and redo."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from gi.repository import Gimp


def main(host: Any) -> Iterator[None]:
    sys.path.insert(0, host.arguments["scripts"])
    from painting import MAIN, choose, comes_to, hands, painting, press, state, steady, visible, window

    # As if the last picture had been painted with so many steps: time to see the progress bar.
    Gimp.attach_parasite(Gimp.Parasite.new("underpaint-fill", 1, json.dumps({"steps": 600}).encode()))
    image = painting()
    Gimp.Display.new(image)
    Gimp.displays_flush()
    yield from window(host, MAIN)

    def look() -> tuple[Any, bytes]:
        return state(image), visible(image)

    before, shown = yield from steady(host, look)

    # No selection yet: the button is grey, and a line says why.
    saved = Gimp.Selection.save(image)
    Gimp.Selection.none(image)
    yield from choose(host, "paint the selection anew", "^Fill Selection$")
    yield from host.wait(2)
    host.report(grey=host.screenshot("grey.png"))
    hands("type", "old brick wall")
    yield from press(host, "ctrl+Return")
    yield from host.wait(1)
    host.report(grey_ran=len(image.get_layers()) != 2)
    # Selected while the dialog is open: the button works.
    image.select_item(Gimp.ChannelOps.REPLACE, saved)
    image.remove_channel(saved)
    image.clean_all()
    Gimp.displays_flush()
    yield from host.wait(1)
    yield from window(host, "^Fill Selection$")
    host.report(dialog=host.screenshot("dialog.png"))
    yield from press(host, "Return")
    yield from host.until(lambda: len(image.get_layers()) == 3, 600, "the picture")
    after, painted = yield from steady(host, look)
    host.report(
        layers=[layer.get_name() for layer in image.get_layers()], result=host.screenshot("result.png")
    )

    # One step back, and one forth.
    undone = yield from comes_to(host, "ctrl+z", look, (before, shown))
    host.report(undone=undone)
    if not undone:
        host.report(was=before, became=state(image))
    redone = yield from comes_to(host, "ctrl+y", look, (after, painted))
    host.report(redone=redone)

    # The dialog remembers: Enter alone paints the same again.
    yield from choose(host, "paint the selection anew", "^Fill Selection$")
    yield from host.wait(1)
    yield from press(host, "Return")
    yield from host.until(lambda: len(image.get_layers()) == 4, 600, "the second picture")
    host.report(remembered=image.get_layers()[0].get_name())
    # Ctrl+F repeats it without a dialog.
    yield from host.wait(2)
    yield from steady(host, look)
    yield from window(host, MAIN)
    yield from press(host, "ctrl+f")
    yield from host.until(lambda: len(image.get_layers()) == 5, 600, "the repeated picture")
    host.report(repeated=image.get_layers()[0].get_name())
    yield from host.wait(1)
    image.clean_all()
