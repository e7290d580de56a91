"""In Krita: opens a painting, selects the hole, fills it by the docker's button, and takes a picture.

Arguments: painting and mask (files), prompt, seed.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from krita import Krita, Selection
from underpaint_krita import plugin
from underpaint_krita.choices import Choices

QUIET = ("ToolBox", "KisLayerBox", plugin.DOCKER)
"""Dockers that stay; a painter who fills holes has the others closed."""


def main(host: Any) -> Iterator[None]:
    values, krita = host.arguments, Krita.instance()
    document = krita.openDocument(values["painting"])
    window = krita.activeWindow()
    window.addView(document)
    controller = plugin.controller()
    controller.reconnect()
    yield from host.until(lambda: controller.link.value in ("ready", "lost"), 90, "the daemon")
    assert controller.link.value == "ready", controller.link_problem
    for docker in window.dockers():
        if docker.objectName() not in QUIET:
            docker.hide()
    docker = next(one for one in window.dockers() if one.objectName() == plugin.DOCKER)
    docker.show()
    docker.raise_()
    width, height = document.width(), document.height()
    selection = Selection()
    selection.setPixelData(Path(values["mask"]).read_bytes(), 0, 0, width, height)
    document.setSelection(selection)
    document.topLevelNodes()[0].setName("wall")
    yield from host.wait(1)
    krita.action("zoom_to_fit").trigger()
    controller.choose(**vars(Choices(prompt=values["prompt"], seed=str(values["seed"]))))
    panel = docker.panel
    yield from host.until(panel.fill.isEnabled, 20, "the button")
    panel.fill.click()
    yield from host.until(lambda: not controller.tasks, 300, "the picture")
    assert controller.last.state.value == "placed", controller.last.error
    # Still selected, so that the button shows what it does; without the ants, so that the seam is seen.
    krita.action("toggle_display_selection").trigger()
    subprocess.run(["xdotool", "mousemove", "700", "885"], check=True)
    yield from host.wait(2)
    host.report(picture=host.screenshot("krita.png"), layers=[n.name() for n in document.topLevelNodes()])
    document.setModified(False)
    document.close()
    yield from host.wait(0.3)
