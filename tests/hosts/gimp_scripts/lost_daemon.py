"""In GIMP, without a window: the daemon dies while a picture is painted."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from gi.repository import Gimp, Gio


def main(host: Any) -> Iterator[None]:
    sys.path.insert(0, host.arguments["scripts"])
    from painting import call, painting, state

    image = painting()
    before = state(image)
    yield
    # The test kills the daemon in the middle of it and starts it again. It tells jobs apart by their steps.
    answer = list(call("underpaint-fill", image, prompt="moss", seed="1", steps=600))[::2]
    # In one report: the test looks at all of it as soon as it sees a part.
    host.report(restarted=answer, restarted_layers=[layer.get_name() for layer in image.get_layers()])
    image.remove_layer(image.get_layers()[0])
    yield from host.until(lambda: host.told("go on"))
    # Killed again, and it stays away.
    host.report(lost=list(call("underpaint-fill", image, prompt="old stone", seed="1", steps=601))[::2])
    host.report(lost_same=state(image)[2] == before[2])
    host.report(away=list(call("underpaint-results", image))[::2])
    # It runs again: the job has gone on, or begun again, and its picture comes in.
    yield from host.until(lambda: host.told("back"), 600)
    status, placed, error = call("underpaint-results", image)
    layer = image.get_layers()[0]
    host.report(
        fetched=[status, placed, error],
        fetched_layer=[layer.get_name(), list(layer.get_offsets())[1:]],
        fetched_again=call("underpaint-results", image)[1],
    )
    image.remove_layer(layer)
    yield
    # Saved while a picture is on its way, then GIMP itself dies.
    Gimp.file_save(Gimp.RunMode.NONINTERACTIVE, image, Gio.File.new_for_path(host.arguments["xcf"]), None)
    host.report(saved=True)
    call("underpaint-fill", image, prompt="water", seed="1", steps=602)
