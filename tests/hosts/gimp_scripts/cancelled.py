"""In GIMP's window: a long job, cancelled beside the progress bar."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from gi.repository import Gimp


def main(host: Any) -> Iterator[None]:
    sys.path.insert(0, host.arguments["scripts"])
    from painting import choose, hands, painting, press, state, window

    # As if the last picture had been painted with these.
    slow = json.dumps({"steps": 900, "seed": "5"}).encode()
    Gimp.attach_parasite(Gimp.Parasite.new("underpaint-fill", 1, slow))
    image = painting()
    Gimp.Display.new(image)
    Gimp.displays_flush()
    yield from host.wait(1)
    before = state(image)
    yield from choose(host, "paint the selection anew", "^Fill Selection$")
    yield from host.wait(1)
    hands("type", "moss")
    yield from press(host, "Return")
    yield from host.until(lambda: host.told("denoising"), 60, "denoising")
    yield from window(host, "GNU Image Manipulation Program|GIMP$")
    yield from host.wait(0.5)
    host.report(progress=host.screenshot("progress.png"))
    hands("mousemove", "980", "883", "click", "1")
    host.report(clicked=True)
    yield from host.until(lambda: host.told("gone"), 60, "the job's end")
    host.report(after=host.screenshot("after.png"), same=state(image) == before)
    image.clean_all()
