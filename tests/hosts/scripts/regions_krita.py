"""In Krita: two layers with words of their own, and a LoRA, all by the docker's own widgets.

Arguments: layers (files of raw RGBA by name), words (by name), edge, prompt, seed, lora.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from krita import Krita
from underpaint_krita.choices import load_choices

from tests.hosts.drivers.hostscript import Host
from tests.hosts.scripts.controls_krita import entries, pick, turned
from tests.hosts.scripts.krita_fill import close, comes_to, finish, names, ready, select, stepped, whole


def main(host: Host) -> Iterator[None]:
    values = host.arguments
    edge, words = values["edge"], values["words"]
    one, shown = yield from ready(
        host, prompt=values["prompt"], seed=str(values["seed"]), steps=0, source="words"
    )
    yield from host.until(lambda: one.loras.known is not None, named="the LoRAs")
    host.report(nothing_open=shown.regions.add.toolTip())
    krita = Krita.instance()
    document = krita.createDocument(edge, edge, "yard", "RGBA", "U8", "", 72.0)
    krita.activeWindow().addView(document)
    yield from host.until(lambda: krita.activeDocument() == document, named="the picture in front")
    for name, file in values["layers"].items():
        layer = document.createNode(name, "paintlayer")
        layer.setPixelData(turned(Path(file).read_bytes()), 0, 0, edge, edge)
        layer.setVisible(False)  # or a fill would take after its colour
        document.rootNode().addChildNode(layer, None)
        yield from host.until(lambda layer=layer: document.activeNode() == layer, named=name)
    yield from host.until(shown.regions.add.isEnabled, named="the button that adds")
    modified = document.modified()

    # Add takes the active layer, then the next one that has no words.
    for count, name in enumerate(("wall", "meadow"), 1):
        shown.regions.add.click()
        yield from host.until(lambda count=count: len(shown.regions.rows) == count, named="the row")
        box = shown.regions.rows[-1]
        yield from comes_to(host, box.problem.isVisible, True)
        yield from comes_to(host, shown.generate.toolTip, box.problem.text())
        host.report(**{f"wordless_{name}": [box.place.currentText(), box.problem.text()]})
        host.report(**{f"focus_{name}": box.prompt.hasFocus()})
        box.prompt.setText(words[name])
    yield from host.until(shown.generate.isEnabled, named="the button")
    box = shown.regions.rows[0]
    host.report(
        places=entries(box.place),
        still_unmodified=document.modified() == modified,
        labels=[box.place.currentText(), box.prompt.text()],
    )
    yield from host.wait(0.5)
    host.report(picture=host.screenshot("regions.png"))

    def keep(name: str, node: Any) -> str:
        target = host.folder / f"{name}.rgba"
        target.write_bytes(turned(bytes(node.pixelData(0, 0, edge, edge))))
        return str(target)

    def sent(task: Any) -> list[str]:
        return [region["prompt"] for region in task.update.resolved.get("regions", [])]

    before, order = whole(document), names(document)
    shown.generate.click()
    task = yield from finish(host, one)
    host.report(state=task.state.value, sent=sent(task))
    host.report(painted=keep("painted", document.nodeByName(values["prompt"])))
    host.report(undone=(yield from stepped(host, "edit_undo", document, before)))
    yield from host.until(lambda: names(document) == order, named="the layers as before")

    # Fill and a verb of a plug-in have them, too.
    everything = bytes([255]) * (edge * edge)
    select(document, everything, edge)
    yield from host.until(shown.fill.isEnabled, named="the button that fills")
    shown.fill.click()
    task = yield from finish(host, one)
    document.setSelection(None)
    host.report(filled=[task.state.value, sent(task)])
    host.report(filled_picture=keep("filled", document.nodeByName(values["prompt"])))
    yield from stepped(host, "edit_undo", document, before)
    variation = next(verb for verb in one.verbs() if verb.name == "variation")
    one.run_verb(variation, {})
    task = yield from finish(host, one)
    host.report(varied=[task.state.value, sent(task)])
    yield from stepped(host, "edit_undo", document, before)
    yield from host.until(lambda: names(document) == order, named="the layers as before")

    # A layer that is gone is said; the file has the rows again.
    box = shown.regions.rows[1]
    host.report(folded=not box.negative.isVisible())
    box.more.click()
    box.negative.setText("dry leaves")
    box.strength.slider.setValue(80)
    shown.ensureWidgetVisible(box)
    yield from host.wait(0.5)
    host.report(unfolded=box.negative.isVisible(), unfolded_picture=host.screenshot("unfolded.png"))
    file = host.folder / "yard.kra"
    document.setBatchmode(True)
    document.saveAs(str(file))
    document.nodeByName("wall").remove()
    box = shown.regions.rows[0]
    yield from comes_to(host, box.problem.isVisible, True)
    yield from comes_to(host, shown.generate.toolTip, box.problem.text())
    host.report(gone=[box.place.currentText(), box.problem.text(), shown.generate.toolTip()])
    yield from host.wait(0.5)
    host.report(gone_picture=host.screenshot("gone.png"))
    yield from close(host, document)
    again = krita.openDocument(str(file))
    krita.activeWindow().addView(again)
    yield from host.until(lambda: krita.activeDocument() == again, named="the file in front")
    yield from host.until(shown.generate.isEnabled, named="the button for what the file keeps")
    host.report(
        kept=[
            [box.place.currentText(), box.prompt.text(), box.negative.text(), box.strength.slider.value()]
            for box in shown.regions.rows
        ]
    )
    while shown.regions.rows:
        count = len(shown.regions.rows)
        shown.regions.rows[0].remove.click()
        yield from host.until(lambda count=count: len(shown.regions.rows) < count, named="a row less")

    # A LoRA, and what is remembered of it.
    loras = shown.details.loras
    yield from host.until(loras.add.isEnabled, named="the button that puts one on")
    loras.add.click()
    yield from host.until(lambda: loras.rows, named="the LoRA's row")
    box = loras.rows[0]
    box.strength.setValue(0.5)
    shown.ensureWidgetVisible(shown.details.fold)
    yield from host.wait(0.5)
    host.report(
        lora=[box.name.currentText(), box.name.toolTip(), box.problem.text(), loras.add.toolTip()],
        lora_picture=host.screenshot("lora.png"),
        presets=entries(shown.details.preset),
    )
    shown.generate.click()
    task = yield from finish(host, one)
    one._save()
    host.report(
        put_on=[task.state.value, task.update.resolved["loras"]],
        changed=keep("changed", again.nodeByName(values["prompt"])),
        remembered=load_choices().loras,
    )
    box.remove.click()
    yield from host.until(lambda: not loras.rows, named="no LoRA")
    yield from stepped(host, "edit_undo", again, before)
    yield from host.until(shown.generate.isEnabled, named="the button")
    shown.generate.click()
    yield from finish(host, one)
    host.report(plain=keep("plain", again.nodeByName(values["prompt"])))
    pick(shown.details.preset, "none")
    yield from close(host, again)
