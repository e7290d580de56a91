"""In GIMP: the verbs of plug-ins, as a script calls them and through the dialog."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from gi.repository import Gimp


def main(host: Any) -> Iterator[None]:
    sys.path.insert(0, host.arguments["scripts"])
    from painting import call, choose, hands, painting, press, state

    image = painting()
    before = state(image)
    status, layer, error = call(
        "underpaint-more",
        image,
        verb="wear-down",
        prompt="moss",
        values=json.dumps({"wear": 0.5, "how": " and wet"}),
        seed="7",
        steps=3,
    )
    host.report(wear=[status, error, layer.get_name() if layer else ""])
    image.remove_layer(layer)
    status, layer, error = call("underpaint-more", image, verb="variation", prompt="moss", steps=2)
    host.report(variation=[status, error, image.get_item_position(layer) if layer else -1])
    image.remove_layer(layer)
    refused = {}
    for name, more in (
        ("unknown", {"verb": "no-such-verb"}),
        ("range", {"verb": "wear-down", "values": '{"wear": 3}'}),
        ("json", {"verb": "wear-down", "values": "wear=3"}),
        ("verb", {"verb": "wear-down", "prompt": "nothing"}),
    ):
        refused[name] = list(call("underpaint-more", image, **{"prompt": "moss", **more}))
    host.report(untouched=state(image)[2:3] == before[2:3])
    selection = Gimp.Selection.save(image)
    Gimp.Selection.none(image)
    refused["selection"] = list(call("underpaint-more", image, verb="wear-down", prompt="moss"))
    host.report(refused=refused)
    if not host.arguments["window"]:
        image.delete()
        return

    # The dialog, as it was left the last time; nothing is selected, so it says why it cannot run.
    last = json.dumps({"verb": "wear-down", "prompt": "moss", "values": '{"wear": 0.5}', "steps": 2})
    Gimp.attach_parasite(Gimp.Parasite.new("underpaint-more", 1, last.encode()))
    Gimp.Display.new(image)
    Gimp.displays_flush()
    yield from host.wait(1)
    yield from choose(host, "run a verb", "^More Verbs$")
    yield from host.wait(2)
    count = len(image.get_layers())
    host.report(grey=host.screenshot("grey.png"))
    yield from press(host, "ctrl+Return")
    yield from host.wait(1)
    host.report(grey_ran=len(image.get_layers()) != count)
    image.select_item(Gimp.ChannelOps.REPLACE, selection)
    yield from host.wait(1.5)
    host.report(dialog=host.screenshot("dialog.png"))
    hands("type", " wall")
    yield from press(host, "ctrl+Return")
    yield from host.until(lambda: len(image.get_layers()) > count, 90, "the layer")
    host.report(by_hand=image.get_layers()[0].get_name())
    image.clean_all()
