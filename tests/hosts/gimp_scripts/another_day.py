"""In a new GIMP: the image of `lost_daemon` opened again, and its picture fetched."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from gi.repository import Gimp, Gio


def main(host: Any) -> Iterator[None]:
    sys.path.insert(0, host.arguments["scripts"])
    from painting import call

    image = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, Gio.File.new_for_path(host.arguments["xcf"]))
    yield
    status, placed, error = call("underpaint-results", image)
    host.report(fetched=[status, placed, error], names=[layer.get_name() for layer in image.get_layers()])
    image.delete()
