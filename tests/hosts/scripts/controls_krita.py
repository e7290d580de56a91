"""In Krita: a layer with a drawing guides a picture, by the docker's own buttons.

Arguments: strokes (a file of raw RGBA), edge, prompt, seed, guidance.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from krita import Krita

from tests.hosts.drivers.hostscript import Host
from tests.hosts.scripts.krita_fill import close, comes_to, finish, names, ready, stepped, whole


def turned(data: bytes) -> bytes:
    """R,G,B,A from B,G,R,A, and back."""
    swapped = bytearray(data)
    swapped[0::4], swapped[2::4] = data[2::4], data[0::4]
    return bytes(swapped)


def pick(combo: Any, text: str) -> None:
    """Chooses an entry as a click does."""
    combo.setCurrentIndex(combo.findText(text))
    combo.activated.emit(combo.currentIndex())


def entries(combo: Any) -> list[str]:
    return [combo.itemText(row) for row in range(combo.count())]


def main(host: Host) -> Iterator[None]:
    values = host.arguments
    edge = values["edge"]
    one, shown = yield from ready(
        host,
        prompt=values["prompt"],
        seed=str(values["seed"]),
        guidance=values["guidance"],
        steps=0,
        source="words",
    )
    yield from host.until(lambda: one.controls.preprocessors, named="the preprocessors")
    host.report(nothing_open=shown.controls.add.toolTip())
    krita = Krita.instance()
    document = krita.createDocument(edge, edge, "plan", "RGBA", "U8", "", 72.0)
    krita.activeWindow().addView(document)
    yield from host.until(lambda: krita.activeDocument() == document, named="the picture in front")
    sketch = document.createNode("sketch", "paintlayer")
    sketch.setPixelData(turned(Path(values["strokes"]).read_bytes()), 0, 0, edge, edge)
    document.rootNode().addChildNode(sketch, None)
    yield from host.until(lambda: document.activeNode() == sketch, named="the sketch active")
    yield from host.until(shown.controls.add.isEnabled, named="the button that adds")
    modified = document.modified()

    # Add takes the active layer, as a drawing that is made into lines.
    shown.controls.add.click()
    yield from host.until(lambda: shown.controls.rows, named="the row")
    box = shown.controls.rows[0]
    yield from host.wait(0.5)  # until it is drawn
    host.report(
        row=[box.role.currentText(), box.place.currentText(), box.preprocessor.currentText()],
        roles=entries(box.role),
        places=entries(box.place),
        preprocessors=entries(box.preprocessor),
        still_unmodified=document.modified() == modified,
        picture=host.screenshot("row.png"),
    )

    # Where it counts and which net knows it are unfolded.
    host.report(folded=not box.mask.isVisible(), masks=entries(box.mask), nets=entries(box.model))
    box.more.click()
    pick(box.mask, "Background")
    pick(box.model, "swatch-lines")
    shown.ensureWidgetVisible(box)
    yield from host.wait(0.5)
    host.report(unfolded=box.mask.isVisible(), unfolded_picture=host.screenshot("unfolded.png"))
    before, order = whole(document), names(document)
    yield from host.until(shown.generate.isEnabled, named="the button")
    shown.generate.click()
    task = yield from finish(host, one)
    made = next(node for node in document.topLevelNodes() if node.name() == values["prompt"])
    followed = host.folder / "followed.rgba"
    followed.write_bytes(turned(bytes(made.pixelData(0, 0, edge, edge))))
    (sent,) = task.update.resolved["controls"]
    host.report(
        state=task.state.value,
        order=names(document),
        followed=str(followed),
        sent=[sent["role"], sent["preprocessor"], sent["model"]],
        masked="mask" in sent,
    )
    host.report(undone=(yield from stepped(host, "edit_undo", document, before)))
    yield from host.until(lambda: names(document) == order, named="the layers as before")

    # The control's image as a layer: one step, and the row looks at it as it is.
    box.make.click()
    task = yield from finish(host, one)
    host.report(made=task.state.value, made_order=names(document))
    yield from comes_to(host, box.place.currentText, "Line art: sketch")
    host.report(made_row=[box.place.currentText(), box.preprocessor.currentText(), box.make.isEnabled()])
    image = document.nodeByName("Line art: sketch")
    lines = host.folder / "lines.rgba"
    lines.write_bytes(turned(bytes(image.pixelData(0, 0, edge, edge))))
    host.report(lines=str(lines))

    # What is attached is in the file.
    pick(box.role, "Canny")
    box.strength.slider.setValue(150)
    box.end.setValue(80)
    file = host.folder / "plan.kra"
    document.setBatchmode(True)
    document.saveAs(str(file))
    host.report(made_undone=(yield from stepped(host, "edit_undo", document, before)))
    # The docker looks at the document every now and then.
    yield from comes_to(host, lambda: bool(box.problem.text()), True)
    host.report(gone=box.problem.text())
    yield from comes_to(host, shown.generate.toolTip, box.problem.text())
    host.report(why_not=shown.generate.toolTip())
    yield from close(host, document)
    again = krita.openDocument(str(file))
    krita.activeWindow().addView(again)
    yield from host.until(lambda: krita.activeDocument() == again, named="the file in front")
    yield from host.until(shown.generate.isEnabled, named="the button for what the file keeps")
    box = shown.controls.rows[0]
    host.report(
        kept=[
            box.role.currentText(),
            box.place.currentText(),
            box.preprocessor.currentText(),
            box.strength.slider.value(),
            box.end.value(),
            box.mask.currentText(),
        ]
    )

    # Taken away, the same words and seed go their own way.
    box.remove.click()
    yield from host.until(lambda: not shown.controls.rows, named="no row")
    shown.generate.click()
    yield from finish(host, one)
    free = next(node for node in again.topLevelNodes() if node.name() == values["prompt"])
    went = host.folder / "free.rgba"
    went.write_bytes(turned(bytes(free.pixelData(0, 0, edge, edge))))
    host.report(free=str(went))
    yield from close(host, again)
