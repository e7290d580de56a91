"""Runs inside Krita: the installed plug-in with a real daemon, one case a call, by `host.arguments["case"]`.

Buttons are clicked and actions triggered, as a painter would; only waiting looks inside.
"""

import math
import os
import signal
import struct
import subprocess
import time

from krita import Krita, Selection
from underpaint_krita import adapter, plugin
from underpaint_krita.choices import Choices, load_choices

from tests.hosts.drivers.engines import engines, held, processes

RUNTIME = os.environ["XDG_RUNTIME_DIR"]
MANY = 900
"""Steps of a job that is cancelled: with the slow model it ends after seconds on the fastest of machines."""
SIZE = 256
CENTRE = (141, 113)


def krita_action(name):
    return Krita.instance().action(name)


def panel():
    window = Krita.instance().activeWindow()
    docker = next(one for one in window.dockers() if one.objectName() == plugin.DOCKER)
    docker.show()
    docker.raise_()
    return docker.panel


def ready(host, **choices):
    """The plug-in as after a first start, connected."""
    one = plugin.controller()
    defaults = Choices(prompt="old brick wall", seed="7", steps=3)
    one.choose(**{**vars(defaults), **choices})
    shown = panel()
    for index in range(shown._notices.count()):  # messages of the case before
        shown._notices.itemAt(index).widget().deleteLater()

    def answered():
        if one.link.value == "lost":  # on a busy machine a daemon may take longer than the client waits
            shown.retry.click()
        return one.link.value == "ready"

    try:
        yield from host.until(answered, named="the daemon")
    except TimeoutError as late:
        raise AssertionError(one.link_problem) from late
    yield from host.until(lambda: not shown._notices.count(), named="no messages of before")
    yield from host.wait(0.5)
    return one, shown


def painting(host, model="RGBA", depth="U8", profile="", size=SIZE):
    """A gradient with a disc on it, and an empty layer above."""
    document = Krita.instance().createDocument(size, size, "painting", model, depth, profile, 72.0)
    Krita.instance().activeWindow().addView(document)
    yield from host.until(lambda: Krita.instance().activeDocument() == document, named="the picture in front")
    yield from host.wait(0.5)
    bottom = document.topLevelNodes()[0]
    if (model, depth) == ("RGBA", "U8"):
        row = b"".join(bytes((x % 256, 90, 255 - x % 256, 255)) for x in range(size))
        disc = b"".join(bytes((40, 200, 240, 255)) for _ in range(40))
        bottom.setPixelData(row * size, 0, 0, size, size)
        bottom.setPixelData(disc * 40, 20, 30, 40, 40)
    else:
        pixel = {
            ("RGBA", "U16"): struct.pack("<4H", 9000, 30000, 50000, 65535),
            ("RGBA", "F32"): struct.pack("<4f", 0.2, 0.5, 0.7, 1.0),
            ("GRAYA", "U8"): bytes((120, 255)),
        }[model, depth]
        bottom.setPixelData(pixel * size * size, 0, 0, size, size)
    document.refreshProjection()
    top = document.createNode("top", "paintlayer")
    document.rootNode().addChildNode(top, None)
    # Krita makes a new layer the active one a little later: the painter chooses when it has.
    yield from host.until(lambda: document.activeNode() == top, named="the top layer active")
    document.setActiveNode(bottom)
    yield from host.until(lambda: document.activeNode() == bottom, named="the bottom layer active")
    document.waitForDone()
    return document


def ellipse(size=SIZE, centre=CENTRE):
    """A turned ellipse with a soft edge: no rectangle, and aligned to nothing."""
    values = bytearray(size * size)
    sine, cosine = math.sin(0.6), math.cos(0.6)
    for y in range(max(0, centre[1] - 60), min(size, centre[1] + 60)):
        for x in range(max(0, centre[0] - 60), min(size, centre[0] + 60)):
            dx, dy = x - centre[0], y - centre[1]
            u, v = dx * cosine + dy * sine, dy * cosine - dx * sine
            away = math.hypot(u / 43, v / 27)
            values[y * size + x] = max(0, min(255, round((1.08 - away) / 0.16 * 255)))
    return values


def select(document, values, size=SIZE):
    selection = Selection()
    selection.setPixelData(bytes(values), 0, 0, size, size)
    document.setSelection(selection)


def whole(document):
    document.waitForDone()
    return bytes(document.pixelData(0, 0, document.width(), document.height()))


def names(document):
    return [one.name() for one in document.topLevelNodes() if not one.type().endswith("mask")]


def close(host, *documents):
    for document in documents:
        document.setSelection(None)  # closing with something selected crashed Krita 5.2 now and then
        document.waitForDone()
        document.setModified(False)
        document.close()
    yield from host.until(
        lambda: not any(one == gone for one in Krita.instance().documents() for gone in documents),
        named="the closed pictures gone",
    )
    yield from host.wait(0.3)


def comes_to(host, look, wanted):
    """Whether `look()` gives `wanted`, soon or late."""
    try:
        yield from host.until(lambda: look() == wanted, 60)
    except TimeoutError:
        return False
    return True


def stepped(host, action, document, wanted):
    """Undoes or redoes; whether the picture then looks as `wanted`."""
    krita_action(action).trigger()
    same = yield from comes_to(host, lambda: whole(document), wanted)
    yield from host.wait(0.3)
    return same and whole(document) == wanted


def finish(host, one, seconds=300, watch=None):
    """Until nothing is at work; returns the last task."""

    def done():
        if watch:
            watch()
        return not one.tasks

    yield from host.until(done, seconds, "the job's end")
    yield from host.wait(1.0)  # by then the active layer is again the painter's
    return one.last


def notices(shown):
    bars = [shown._notices.itemAt(index).widget() for index in range(shown._notices.count())]
    return [bar.text for bar in bars]


def fill(host):
    """Fill selection, and everything that it promises."""
    # Steps enough to be seen in the docker, however quick the machine is.
    one, shown = yield from ready(host, steps=300)
    document = yield from painting(host)
    yield from comes_to(host, shown.why.text, "Select the part to fill first.")
    host.report(why=shown.fill.toolTip() if not shown.fill.isEnabled() else "", reason=shown.why.text())
    mask = ellipse()
    select(document, mask)
    yield from host.until(shown.fill.isEnabled, named="the button")
    before = whole(document)
    one.session.meter.longest_ms = 0.0
    stages, bars, pictures = [], [], []

    def noted(*_):
        text = shown.job.stage.text()
        if shown.job.isVisible() and (not stages or stages[-1] != text):
            stages.append(text)
        bars.append(shown.job.bar.value())
        pixmap = shown.job.picture.pixmap()
        pictures.append(bool(pixmap and not pixmap.isNull()))

    # After the docker itself, which listens for longer: what it shows after every change, for however short.
    one.changed.connect(noted)
    one.previewed.connect(noted)
    shown.fill.click()
    task = yield from finish(host, one)
    one.changed.disconnect(noted)
    one.previewed.disconnect(noted)
    after = whole(document)
    layer = next(node for node in document.topLevelNodes() if node.name() == "old brick wall")
    alpha = bytes(layer.pixelData(0, 0, SIZE, SIZE))[3::4]
    changed = [before[4 * i : 4 * i + 4] != after[4 * i : 4 * i + 4] for i in range(SIZE * SIZE)]
    inpaint = task.update.resolved["inpaint"]
    reach = math.ceil(inpaint["grow_px"] + inpaint["feather_px"]) + 2
    core = [i for i, value in enumerate(mask) if value == 255]
    xs, ys = [i % SIZE for i, v in enumerate(mask) if v], [i // SIZE for i, v in enumerate(mask) if v]
    box = (min(xs) - reach, min(ys) - reach, max(xs) + reach, max(ys) + reach)
    far = [
        i for i in range(SIZE * SIZE) if not (box[0] <= i % SIZE <= box[2] and box[1] <= i // SIZE <= box[3])
    ]
    host.report(
        state=task.state.value,
        seed=task.update.resolved["seed"],
        model=task.update.resolved["model"],
        order=names(document),
        active=document.activeNode().name(),
        changed_inside=sum(changed[i] for i in core) / len(core),
        covered_inside=sum(alpha[i] for i in core) / len(core),
        changed_where_clear=sum(changed[i] for i in range(SIZE * SIZE) if alpha[i] == 0),
        changed_far_away=sum(changed[i] for i in far),
        far=len(far),
        clear=alpha.count(0),
        stages=stages,
        bar_most=max(bars),
        preview_shown=any(pictures),
        hold_ms=round(one.session.meter.longest_ms, 1),
        hold_what=one.session.meter.longest_what,
    )
    undone = yield from stepped(host, "edit_undo", document, before)
    host.report(undone=undone, order_undone=names(document))
    redone = yield from stepped(host, "edit_redo", document, after)
    host.report(redone=redone, order_redone=names(document))
    host.screenshot("done.png")
    yield from close(host, document)


def generate(host):
    """From words, from the picture, from a layer inside a group; the source and the strength count."""
    one, shown = yield from ready(host)
    document = yield from painting(host)
    group = document.createGroupLayer("group")
    document.rootNode().addChildNode(group, None)
    for name, pixel in (("red", (20, 20, 230, 255)), ("green", (20, 230, 20, 255))):
        node = document.createNode(name, "paintlayer")
        node.setPixelData(bytes(pixel) * SIZE * SIZE, 0, 0, SIZE, SIZE)
        group.addChildNode(node, None)
    yield from host.wait(0.5)
    layers = {name.strip(): key for key, name in one.layer_names()}

    def picture(**choices):
        one.choose(prompt="wall", **choices)
        shown.update_state()
        shown.generate.click()
        task = yield from finish(host, one)
        assert task.state.value == "placed", task.error
        made = next(node for _, node in adapter.walk(document.rootNode()) if node.name() == "wall")
        data = bytes(made.pixelData(0, 0, SIZE, SIZE))
        box = made.bounds()
        host.report(box=[box.x(), box.y(), box.width(), box.height()])
        operation = next(
            key
            for key in ("text_to_image", "image_to_image", "inpaint")
            if task.update.resolved.get(key) is not None
        )
        made.remove()
        yield from host.until(lambda: "wall" not in names(document), named="the result taken away")
        yield from host.wait(0.3)
        document.waitForDone()
        return data, operation

    words, as_words = yield from picture(source="words")
    again, _ = yield from picture(source="words")
    other, _ = yield from picture(source="words", seed="8")
    seen, as_seen = yield from picture(source="picture", image_strength=70)
    red, as_layer = yield from picture(source="layer", layer=layers["red"], image_strength=70)
    green, _ = yield from picture(source="layer", layer=layers["green"], image_strength=70)
    weak, _ = yield from picture(source="layer", layer=layers["red"], image_strength=40)
    group_made, _ = yield from picture(source="layer", layer=layers["group"], image_strength=70)
    host.report(
        operations=[as_words, as_seen, as_layer],
        same_again=words == again,
        seed_counts=words != other,
        picture_counts=seen != words,
        layer_counts=red != green and red != seen,
        strength_counts=weak != red,
        group_is_its_top=group_made == green,
        picture_is_its_top=seen == green,
    )
    yield from close(host, document)


def press(host, *keys):
    """Keys, as the keyboard sends them."""
    subprocess.run(["xdotool", "key", "--clearmodifiers", *keys], check=True, timeout=60)
    yield from host.wait(0.3)


def keys(host):
    """Ctrl+Enter runs, the menu has everything, and what was chosen is there next time."""
    one, shown = yield from ready(host, prompt="", model="tiny-slow", steps=MANY)
    document = yield from painting(host)
    one.prompt_wanted.emit()
    focused = yield from comes_to(host, shown.prompt.hasFocus, True)
    host.report(focused=focused)
    yield from press(host, *"moss", "Return", *"rock")
    yield from comes_to(host, lambda: one.choices.prompt, "moss\nrock")
    host.report(typed=one.choices.prompt, started_by_enter=len(one.tasks))
    yield from press(host, "ctrl+Return")  # nothing is selected: Generate
    yield from host.until(lambda: one.tasks and one.tasks[0].update, named="the job")
    yield from press(host, "Escape")
    task = yield from finish(host, one)
    host.report(state=task.state.value, generated="text_to_image" in task.update.resolved)
    shown.update_state()
    yield from host.wait(1)
    bar = Krita.instance().activeWindow().qwindow().menuBar()
    tools = next(one.menu() for one in bar.actions() if one.menu() and one.menu().objectName() == "tools")
    ours = next(one.menu() for one in tools.actions() if one.menu() and one.text() == "underpaint")
    host.report(
        menu=[one.text().replace("&", "") for one in ours.actions()],
        shortcuts=[one.shortcut().toString() for one in ours.actions()],
        remembered=load_choices().prompt,
    )
    yield from close(host, document)


def cancel(host):
    """Cancel by button and by action; nothing is left in the document."""
    one, shown = yield from ready(host, model="tiny-slow", steps=MANY)
    document = yield from painting(host)
    before = whole(document)
    krita_action("underpaint_generate").trigger()
    krita_action("underpaint_generate").trigger()
    first, second = one.tasks
    yield from host.until(lambda: first.update and first.update.progress.step > 1, named="two steps")
    shown.update_state()
    host.report(waiting=shown.job.stage.text())
    shown.job.cancel.click()
    yield from host.until(lambda: first.done, named="the first to end")
    host.report(first=first.state.value)
    krita_action("underpaint_cancel").trigger()
    yield from host.until(lambda: second.done, named="the second to end")
    yield from comes_to(host, shown.job.stage.text, "Cancelled")
    host.report(
        second=second.state.value,
        shown=shown.job.stage.text(),
        untouched=whole(document) == before,
        order=names(document),
        notices=notices(shown),
    )
    yield from close(host, document)


def killed(host):
    """kill -9 on the daemon in the middle of a job."""
    one, shown = yield from ready(host, steps=600)
    document = yield from painting(host)
    select(document, ellipse())
    yield from host.until(shown.fill.isEnabled, named="the button")
    before = whole(document)
    shown.fill.click()
    task = one.tasks[0]
    yield from host.until(lambda: task.update and task.update.progress.step > 2, named="some steps")
    with held(RUNTIME):
        (daemon,) = processes("underpaint\0serve")
        os.kill(daemon, signal.SIGKILL)
    yield from host.until(lambda: notices(shown) or task.done, named="a message")
    host.report(message=notices(shown), while_lost=task.state.value)
    host.screenshot("killed.png")
    yield from host.until(lambda: "old brick wall" in names(document), 400, "the result after all")
    yield from finish(host, one)
    host.report(order=names(document), changed=whole(document) != before, state=one.last.state.value)
    undone = yield from stepped(host, "edit_undo", document, before)
    host.report(undone=undone)
    yield from close(host, document)


def closed_at_work(host, one, document):
    """Generates, and closes the picture before the job can end; returns its task."""
    yield from host.until(lambda: engines(RUNTIME), named="the engine")
    with held(RUNTIME):
        krita_action("underpaint_generate").trigger()
        task = one.tasks[0]
        yield from host.until(lambda: task.update, named="the job")
        yield from close(host, document)
    return task


def closed(host):
    """The document is closed while its job runs; the result is kept, and can be placed elsewhere."""
    one, shown = yield from ready(host, steps=40)
    document = yield from painting(host)
    task = yield from closed_at_work(host, one, document)
    yield from finish(host, one)
    other = yield from painting(host)
    host.report(state=task.state.value, notices=notices(shown), offered=shown._kept.isVisible())
    host.screenshot("kept.png")
    shown._kept._button.click()
    yield from host.until(lambda: "old brick wall" in names(other), named="the layer")
    yield from finish(host, one)
    shown.update_state()
    host.report(order=names(other), still_offered=shown._kept.isVisible())
    yield from close(host, other)


def reopened(host):
    """The file is closed while its job runs and opened again later: the result finds its place."""
    one, _ = yield from ready(host, steps=40)
    document = yield from painting(host)
    path = str(host.folder / "picture.kra")
    document.setBatchmode(True)
    document.saveAs(path)
    document.setFileName(path)
    task = yield from closed_at_work(host, one, document)
    yield from finish(host, one)
    host.report(state=task.state.value)
    again = Krita.instance().openDocument(path)
    Krita.instance().activeWindow().addView(again)
    yield from host.until(lambda: "old brick wall" in names(again), named="the layer")
    yield from finish(host, one)
    host.report(order=names(again))
    one.kept.clear()
    yield from close(host, again)


def spaces(host):
    """The whole path in other depths and models."""
    one, shown = yield from ready(host)
    for model, depth in (("RGBA", "U16"), ("RGBA", "F32"), ("GRAYA", "U8")):
        document = yield from painting(host, model, depth)
        select(document, ellipse())
        yield from host.until(shown.fill.isEnabled, named="the button")
        before = whole(document)
        shown.fill.click()
        task = yield from finish(host, one)
        after = whole(document)
        step = len(before) // (SIZE * SIZE)
        changed = [
            i
            for i in range(SIZE * SIZE)
            if before[i * step : (i + 1) * step] != after[i * step : (i + 1) * step]
        ]
        middle = CENTRE[1] * SIZE + CENTRE[0]
        undone = yield from stepped(host, "edit_undo", document, before)
        host.report(
            **{
                f"{model} {depth}": {
                    "state": task.state.value,
                    "error": str(task.error),
                    "changed": len(changed),
                    "middle": middle in changed,
                    "corner": 0 in changed,
                    "undone": undone,
                }
            }
        )
        yield from close(host, document)


def refused(host):
    """What is asked for cannot be done: the painter is told why, and nothing happens."""
    one, shown = yield from ready(host)
    yield from comes_to(host, shown.why.text, "Create or open a picture first.")
    host.report(no_document=[shown.fill.isEnabled(), shown.generate.isEnabled(), shown.why.text()])
    krita_action("underpaint_fill").trigger()
    yield from host.wait(0.2)
    host.report(told=notices(shown)[-1:])
    document = yield from painting(host)
    shown.update_state()
    host.report(no_selection=[shown.fill.isEnabled(), shown.generate.isEnabled(), shown.why.text()])
    seen = {}
    select(document, bytes(SIZE * SIZE))
    yield from host.wait(1.0)
    for name, choices in (
        ("empty selection", {}),
        ("long prompt", {"prompt": "a" * 100_000}),
        ("unknown model", {"model": "nobody-has-this"}),
    ):
        if name != "empty selection":
            select(document, ellipse())
            yield from host.wait(1.0)
        one.choose(**{"prompt": "wall", "model": "", **choices})
        before = whole(document)
        shown.fill.click() if shown.fill.isEnabled() else one.fill()
        yield from finish(host, one)
        seen[name] = [
            one.last.state.value,
            type(one.last.error).__name__,
            str(one.last.error),
            notices(shown)[-1],
            whole(document) == before,
        ]
    host.report(seen=seen)
    one.choose(prompt="wall", model="")
    yield from close(host, document)


def big(host):
    """A small selection on canvases of several sizes: what is read, and how long we hold the main thread."""
    one, shown = yield from ready(host)
    meter, read, holds = one.session.meter, [], {}
    read_merged = one.adapter.read_merged

    def watched(document_id, bounds):
        read.append([bounds.width, bounds.height])
        return read_merged(document_id, bounds)

    def watch():
        if meter.longest_ms:
            holds[meter.longest_what.split()[0]] = round(meter.longest_ms, 1)
            meter.longest_ms = 0.0

    one.adapter.read_merged = watched
    for size in host.arguments["sizes"]:
        document = Krita.instance().createDocument(size, size, "big", "RGBA", "U8", "", 72.0)
        Krita.instance().activeWindow().addView(document)
        yield from host.wait(2)
        selection = Selection()
        selection.select(size // 2 + 3, size // 2 + 5, 101, 93, 255)
        document.setSelection(selection)
        yield from host.until(shown.fill.isEnabled, named="the button")
        meter.longest_ms = 0.0
        holds.clear()

        shown.fill.click()
        task = yield from finish(host, one, watch=watch)
        assert task.state.value == "placed", task.error
        yield from host.wait(1)
        start = time.perf_counter()  # what Krita takes to add a layer of its own, and to show it
        krita_action("add_new_paint_layer").trigger()
        document.waitForDone()
        own = round((time.perf_counter() - start) * 1000, 1)
        host.report(**{str(size): {"holds": dict(holds), "krita_own": own, "read": read.pop()}})
        yield from close(host, document)
        yield from host.wait(0.5)
    del one.adapter.read_merged


CASES = {
    f.__name__: f for f in (fill, generate, keys, cancel, killed, closed, reopened, spaces, refused, big)
}


def main(host):
    yield from CASES[host.arguments["case"]](host)
