"""In Krita: our own verbs on a stone wall, each from the docker's menu, with the model in the box.

Arguments: wall and paint (files of raw pixels), width, height.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from krita import Krita, Selection

from tests.hosts.drivers.hostscript import Host
from tests.hosts.scripts.krita_fill import close, comes_to, finish, ready, stepped, whole
from tests.hosts.scripts.own_verbs_krita import begin


def swapped(data: bytes) -> bytes:
    """RGBA as BGRA, or back."""
    turned = bytearray(data)
    turned[0::4], turned[2::4] = data[2::4], data[0::4]
    return bytes(turned)


def wall(host: Host) -> Iterator[None]:
    """The picture, selected where the paint is, with a layer above that is not the active one."""
    values = host.arguments
    width, height = values["width"], values["height"]
    document = Krita.instance().createDocument(width, height, "wall", "RGBA", "U8", "", 72.0)
    Krita.instance().activeWindow().addView(document)
    yield from host.until(lambda: Krita.instance().activeDocument() == document, named="the picture in front")
    yield from host.wait(0.5)
    ground = document.topLevelNodes()[0]
    ground.setPixelData(swapped(Path(values["wall"]).read_bytes()), 0, 0, width, height)
    document.refreshProjection()
    document.rootNode().addChildNode(document.createNode("top", "paintlayer"), None)
    yield from host.wait(0.5)
    document.setActiveNode(ground)
    chosen = Selection()
    chosen.setPixelData(Path(values["paint"]).read_bytes(), 0, 0, width, height)
    document.setSelection(chosen)
    document.waitForDone()
    yield from host.wait(0.5)
    return document


def main(host: Host) -> Iterator[None]:
    one, shown = yield from ready(host, prompt="", steps=0)
    document = yield from wall(host)
    before = whole(document)
    known = {node.uniqueId() for node in document.topLevelNodes()}

    def keep(name: str, data: bytes) -> str:
        target = host.folder / f"{name}.rgba"
        target.write_bytes(swapped(data))
        return str(target)

    def order() -> list[str]:
        return [node.name() for node in document.topLevelNodes() if node.type() != "selectionmask"]

    def run(name: str, words: str = "", **values: float) -> Iterator[None]:
        """A verb, what it shows, and one step back."""
        one.choose(prompt=words)
        yield from begin(host, one, shown, name, **values)
        task = yield from finish(host, one)
        made = [node for node in document.topLevelNodes() if node.uniqueId() not in known]
        seen = {
            "state": task.state.value,
            "problem": str(task.error or ""),
            "made": [node.name() for node in made],
            "order": order(),
            "active": document.activeNode().name(),
        }
        if made:
            seen["seen"] = keep(name, whole(document))
            layers = made[0].childNodes() or made
            place = (0, 0, document.width(), document.height())
            seen["layers"] = [
                [one.name(), keep(f"{name}-{one.name()}", bytes(one.pixelData(*place)))] for one in layers
            ]
            box = made[0].bounds()
            seen["place"] = [box.x(), box.y(), box.width(), box.height()]
            if name == "expand":
                whole_place = (0, 0, box.x() + box.width(), box.y() + box.height())
                seen["seen"] = keep(name, bytes(made[0].pixelData(*whole_place)))
            seen["undone"] = yield from stepped(host, "edit_undo", document, before)
            seen["left"] = order()
        host.report(**{name: seen})

    host.report(before=keep("before", before))
    for name, words, values in (
        ("remove", "", {}),
        ("refine", "", {"strength": 0.35}),
        ("expand", "", {"right": 96, "bottom": 40}),
        ("pbr_maps", "", {"relief": 6.0}),
        ("edit", "make it night", {}),
    ):
        yield from run(name, words, **values)

    # No other steps lie under that of the maps: the next one back takes away what was made before them.
    one.choose(prompt="")
    yield from begin(host, one, shown, "remove")
    yield from finish(host, one)
    removed = whole(document)
    yield from begin(host, one, shown, "pbr_maps")
    yield from finish(host, one)
    host.report(both=order())
    steps = []
    for wanted in (removed, before):
        steps.append((yield from stepped(host, "edit_undo", document, wanted)))
    host.report(steps=steps, neither=order())

    # A picture of its own; the one that it was made from stays as it is.
    yield from begin(host, one, shown, "upscale", factor=2.0)
    task = yield from finish(host, one)
    larger = Krita.instance().activeDocument()
    host.report(
        upscale=[task.state.value, str(task.error or ""), larger.name(), larger.width(), larger.height()],
        larger=keep("larger", whole(larger)),
        still=whole(document) == before,
        picture=host.screenshot("larger.png"),
    )
    yield from close(host, larger)
    yield from comes_to(host, Krita.instance().activeDocument, document)

    # One that takes long: it says how far it is, and stops.
    stages: list[str] = []
    one.changed.connect(lambda: stages.append(shown.job.stage.text()))
    documents = len(Krita.instance().documents())
    yield from begin(host, one, shown, "upscale", factor=8.0)
    (task,) = one.tasks
    yield from host.until(lambda: " of " in shown.job.stage.text(), 120, "its first steps")
    host.report(at_work=host.screenshot("at_work.png"))
    shown.job.cancel.click()
    yield from finish(host, one, 60)
    host.report(
        cancelled=task.state.value, stages=stages, opened=len(Krita.instance().documents()) - documents
    )
    document.setSelection(None)
    yield from host.wait(0.5)
    shown.more.menu().aboutToShow.emit()
    host.report(
        greyed={action.text(): action.isEnabled() for action in shown.more.menu().actions()},
        listed=host.screenshot("end.png"),
    )
    yield from close(host, document)
