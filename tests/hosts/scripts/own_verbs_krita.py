"""In Krita: remove and refine the selection, expand the picture, each from the docker's menu."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.hosts.drivers.hostscript import Host
from tests.hosts.scripts.krita_fill import (
    close,
    comes_to,
    ellipse,
    finish,
    painting,
    ready,
    select,
    stepped,
    whole,
)


def begin(host: Host, one: Any, shown: Any, name: str, **values: float) -> Iterator[None]:
    """Starts a verb from the docker's menu, through its window where it has values to choose."""
    shown.more.menu().aboutToShow.emit()
    actions = {action.objectName(): action for action in shown.more.menu().actions()}
    actions[f"underpaint_verb_{name}"].trigger()
    # Without a value to choose a verb may start at once.
    yield from comes_to(host, lambda: bool(one.tasks) or one.verb_window.isVisible(), True)
    if not one.tasks:
        for field, value in values.items():
            one.verb_window.fields[field].setValue(value)
        one.verb_window.run.click()


def main(host: Host) -> Iterator[None]:
    one, shown = yield from ready(host, prompt="moss")
    document = yield from painting(host)
    select(document, ellipse())
    yield from host.wait(0.3)
    before = whole(document)
    for name, values in (("remove", {}), ("refine", {"strength": 0.5}), ("expand", {"right": 40})):
        yield from begin(host, one, shown, name, **values)
        task = yield from finish(host, one)
        document.waitForDone()
        box = document.nodeByName(task.title).bounds()
        host.report(
            **{
                name: {
                    "state": task.state.value,
                    "problem": str(task.error or ""),
                    "inpaint": {
                        key: value
                        for key, value in task.update.resolved["inpaint"].items()
                        if key in ("strength", "fill_mode")
                    },
                    "prompt": task.update.resolved["prompt"],
                    "right": box.x() + box.width(),
                    "width": document.width(),
                    "changed": whole(document) != before,
                    "undone": (yield from stepped(host, "edit_undo", document, before)),
                }
            }
        )
    yield from close(host, document)
