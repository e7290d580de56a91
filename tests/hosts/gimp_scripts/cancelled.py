"""In GIMP's window: a long job, cancelled beside the progress bar."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from gi.repository import Gimp


def main(host: Any) -> Iterator[None]:
    sys.path.insert(0, host.arguments["scripts"])
    from painting import MAIN, choose, hands, painting, press, state, steady, window

    # As if the last picture had been painted with these: it would take long on any machine.
    slow = json.dumps({"model": "tiny-slow", "steps": 900, "seed": "5"}).encode()
    Gimp.attach_parasite(Gimp.Parasite.new("underpaint-fill", 1, slow))
    image = painting()
    Gimp.Display.new(image)
    Gimp.displays_flush()
    yield from window(host, MAIN)
    before = yield from steady(host, lambda: state(image))
    yield from choose(host, "paint the selection anew", "^Fill Selection$")
    yield from host.wait(1)
    hands("type", "moss")
    yield from press(host, "Return")
    yield from host.until(lambda: host.told("denoising"), 600, "denoising")
    yield from window(host, MAIN)
    yield from host.wait(0.5)
    host.report(progress=host.screenshot("progress.png"))
    for _ in range(60):  # until GIMP, which may be busy, has the button there
        hands("mousemove", "980", "883", "click", "1")
        host.report(clicked=True)
        try:
            yield from host.until(lambda: host.told("gone"), 5)
        except TimeoutError:
            continue
        break
    assert host.told("gone"), "the job goes on"
    host.report(after=host.screenshot("after.png"), same=state(image) == before)
    image.clean_all()
