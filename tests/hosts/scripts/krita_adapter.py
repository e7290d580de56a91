"""Runs inside Krita: the adapter against real documents, one case a call, by `host.arguments["case"]`."""

import struct

from krita import Krita, Selection
from underpaint_krita.adapter import (
    Bounds,
    HostError,
    Image,
    KritaAdapter,
    NoDocument,
    PlaceGone,
    Result,
    ResultKind,
)

SIZE = 200
GREEN = bytes((30, 200, 10, 255))
"""(10, 200, 30) as 8 bit integers lie in Krita: blue first."""
LINEAR = (0.003035, 0.577580, 0.012983)
"""The same green in linear Rec. 709."""


def pixel_as(layout):
    """The green in a result's format."""
    kind, linear = layout.data_type.value, layout.color_space.value != "srgb"
    rgb = LINEAR if linear else (10 / 255, 200 / 255, 30 / 255)
    if kind.startswith("f"):
        return struct.pack("<4e" if kind == "f16" else "<4f", *rgb, 1.0)
    largest = 255 if kind == "u8" else 65535
    values = [round(value * largest) for value in (*reversed(rgb), 1.0)]
    return struct.pack("<4B" if kind == "u8" else "<4H", *values)


def open_picture(host, model="RGBA", depth="U8", profile="", size=SIZE):
    """A new document in a view, which is the one that the painter looks at."""
    document = Krita.instance().createDocument(size, size, "painting", model, depth, profile, 72.0)
    yield from show(host, document)
    return document


def show(host, document):
    """In front, with a layer that is the active one, as Krita makes it a little later."""
    Krita.instance().activeWindow().addView(document)
    yield from host.until(lambda: Krita.instance().activeDocument() == document, named="the picture in front")
    yield from host.until(lambda: document.activeNode() is not None, named="an active layer")
    yield from host.wait(0.3)


def activate(host, document, node):
    """The painter chooses a layer."""
    document.setActiveNode(node)
    yield from host.until(lambda: document.activeNode() == node, named="activation")


def added(host, document, node, parent=None):
    """Adds a layer on top; Krita makes it the active one a little later."""
    (parent or document.rootNode()).addChildNode(node, None)
    yield from host.until(lambda: document.activeNode() == node, named="the new layer active")


def comes_to(host, look, wanted):
    """Whether `look()` gives `wanted`, soon or late."""
    try:
        yield from host.until(lambda: look() == wanted, 60)
    except TimeoutError:
        return False
    return True


def paint(document, host):
    """A recognisable painting on the bottom layer (8 bit RGBA documents)."""
    size = document.width()
    rows = bytearray()
    for y in range(size):
        for x in range(size):
            rows += bytes(((x * 7 + y) % 256, (y * 3) % 256, (x ^ y) % 256, 255))
    document.topLevelNodes()[0].setPixelData(bytes(rows), 0, 0, size, size)
    document.refreshProjection()
    document.waitForDone()
    yield from host.wait(0.3)


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
    yield from host.wait(0.1)


def whole(document):
    document.waitForDone()
    return bytes(document.pixelData(0, 0, document.width(), document.height()))


def names(document):
    return [node.name() for node in document.topLevelNodes()]


def patch(canvas, pixel, x, y, width, height):
    return Image(width, height, pixel * (width * height), canvas.result_format, x, y)


def reading(host):
    """Merged picture, a layer in a group, a rotated soft selection."""
    adapter = KritaAdapter()
    document = yield from open_picture(host)
    yield from paint(document, host)
    canvas = adapter.canvas()
    host.report(
        same_id=adapter.canvas().document_id == canvas.document_id, size=[canvas.width, canvas.height]
    )
    place = Bounds(13, 17, 101, 55)
    image = adapter.read_merged(canvas.document_id, place)
    whole_picture = whole(document)
    cut = b"".join(whole_picture[(y * SIZE + 13) * 4 : (y * SIZE + 114) * 4] for y in range(17, 72))
    host.report(
        merged=bytes(image.data) == cut, placed=image.bounds == place, lies=image.format.channels.value
    )
    group = document.createGroupLayer("group")
    document.rootNode().addChildNode(group, None)
    inner = document.createNode("inner", "paintlayer")
    inner.setPixelData(GREEN * 400, 50, 60, 20, 20)
    group.addChildNode(inner, None)
    document.waitForDone()
    layers = adapter.list_layers(canvas.document_id)
    host.report(layers=[[one.name, one.group] for one in layers])
    by_name = {one.name: one for one in layers}
    host.report(
        boxes={name: [b.bounds.x, b.bounds.y, b.bounds.width, b.bounds.height] for name, b in by_name.items()}
    )
    for name in ("inner", "group"):
        own = bytes(adapter.read_layer(canvas.document_id, by_name[name].layer_id, Bounds(49, 60, 3, 1)).data)
        host.report(**{f"read_{name}": own.hex()})
    selection = Selection()
    selection.select(31, 43, 60, 77, 255)
    selection.feather(4)
    document.setSelection(selection)
    bounds = adapter.selection_bounds(canvas.document_id)
    mask = adapter.read_selection(canvas.document_id, Bounds(20, 30, 90, 110))
    values = bytes(mask.data)
    host.report(
        selected=[bounds.x, bounds.y, bounds.right, bounds.bottom],
        inside=values[50 * 90 + 40],
        outside=values[0],
        soft=len(set(values)) > 4,
        gray=mask.format.channels.value,
    )
    document.setSelection(None)
    host.report(nothing_selected=adapter.selection_bounds(canvas.document_id) is None)
    yield from close(host, document)


def writing(host):
    """One undo step, placed above the layer that was active, the active layer kept."""
    adapter = KritaAdapter()
    document = yield from open_picture(host)
    yield from paint(document, host)
    top = document.createNode("top", "paintlayer")
    yield from added(host, document, top)
    bottom = document.topLevelNodes()[0]
    yield from activate(host, document, bottom)
    canvas = adapter.canvas()
    context = adapter.host_context(canvas.document_id)
    yield from activate(host, document, top)  # the painter goes on while the job runs
    before = whole(document)
    result = Result(
        patch(canvas, GREEN, 150, -5, 70, 40), ResultKind.LAYER, "result", canvas.document_id, context
    )
    adapter.write_result(result)
    yield from host.wait(1.0)  # Krita turns to the new layer, and the adapter back to the painter's
    after = whole(document)
    expected = bytearray(before)
    for y in range(35):
        expected[(y * SIZE + 150) * 4 : (y + 1) * SIZE * 4] = GREEN * 50
    host.report(order=names(document), exact=after == bytes(expected), active=document.activeNode().name())
    undo, redo = Krita.instance().action("edit_undo"), Krita.instance().action("edit_redo")
    undo.trigger()
    undone = yield from comes_to(host, lambda: whole(document), before)
    host.report(undone=undone, order_undone=names(document))
    redo.trigger()
    redone = yield from comes_to(host, lambda: whole(document), after)
    host.report(redone=redone, order_redone=names(document))
    yield from close(host, document)


def placing(host):
    """Nested layers, masks, hidden groups, a layer that was deleted."""
    adapter = KritaAdapter()
    document = yield from open_picture(host)
    canvas = adapter.canvas()
    group = document.createGroupLayer("group")
    document.rootNode().addChildNode(group, None)
    first, second = (document.createNode(name, "paintlayer") for name in ("first", "second"))
    group.addChildNode(first, None)
    group.addChildNode(second, first)
    mask = document.createNode("mask", "transparencymask")
    yield from host.wait(0.5)
    yield from added(host, document, mask, first)

    def put(active, name):
        yield from activate(host, document, active)
        context = adapter.host_context(canvas.document_id)
        image = patch(canvas, GREEN, 0, 0, 8, 8)
        return Result(image, ResultKind.LAYER, name, canvas.document_id, context)

    adapter.write_result((yield from put(first, "above first")))
    yield from host.wait(1.0)
    adapter.write_result((yield from put(mask, "above mask")))
    yield from host.wait(1.0)
    host.report(in_group=[node.name() for node in group.childNodes()])
    group.setVisible(False)
    adapter.write_result((yield from put(first, "above hidden")))
    yield from host.wait(1.0)
    host.report(top=names(document))
    orphan = yield from put(second, "orphan")
    second.remove()
    yield from host.wait(1.0)
    adapter.write_result(orphan)
    yield from host.wait(1.0)
    host.report(after_deletion=names(document))
    yield from close(host, document)


def spaces(host):
    """A result of one colour in every model, depth and profile; what comes back is that colour."""
    adapter = KritaAdapter()
    for model, depth, profile in host.arguments["spaces"]:
        document = yield from open_picture(host, model, depth, profile, 64)
        canvas = adapter.canvas()
        layout = canvas.result_format
        pixel = pixel_as(layout)
        adapter.write_result(
            Result(patch(canvas, pixel, 8, 8, 32, 32), ResultKind.LAYER, "r", canvas.document_id)
        )
        yield from host.wait(0.3)
        document.waitForDone()
        colour = document.projection(16, 16, 1, 1).pixel(0, 0)
        seen = [colour >> 16 & 255, colour >> 8 & 255, colour & 255]
        back = adapter.read_merged(canvas.document_id, Bounds(16, 16, 2, 2))
        first = bytes(back.data)[: back.format.bytes_per_pixel].hex()
        layer = [one for one in adapter.list_layers(canvas.document_id) if one.name == "r"][0]
        own = adapter.read_layer(canvas.document_id, layer.layer_id, Bounds(16, 16, 2, 2))
        key = " ".join((model, depth, profile)).strip()
        host.report(
            **{
                key: {
                    "seen": seen,
                    "wrote": pixel.hex(),
                    "read": first,
                    "layer": bytes(own.data)[: own.format.bytes_per_pixel].hex(),
                    "channels": layout.channels.value,
                    "merged_as": [
                        back.format.channels.value,
                        back.format.data_type.value,
                        back.format.color_space.value,
                    ],
                    "undo": Krita.instance().action("edit_undo").text(),
                    "box": [layer.bounds.x, layer.bounds.y, layer.bounds.width, layer.bounds.height],
                    "documents": len(Krita.instance().documents()),
                }
            }
        )
        yield from close(host, document)


def gone(host):
    """No document, a closed one, the same file opened again."""
    adapter = KritaAdapter()
    yield from host.until(lambda: Krita.instance().activeDocument() is None, named="no picture")
    try:
        adapter.canvas()
    except NoDocument as error:
        host.report(none=str(error))
    document = yield from open_picture(host)
    path = str(host.folder / "kept.kra")
    document.setBatchmode(True)
    document.saveAs(path)
    document.setFileName(path)
    canvas = adapter.canvas()
    context = adapter.host_context(canvas.document_id)
    result = Result(patch(canvas, GREEN, 0, 0, 8, 8), ResultKind.LAYER, "late", canvas.document_id, context)
    document.flatten()
    document.waitForDone()
    document.crop(0, 0, 100, 100)
    document.waitForDone()
    yield from host.wait(0.3)
    host.report(same_after_crop=adapter.canvas().document_id == canvas.document_id)
    yield from close(host, document)
    for name, call in (
        ("write", lambda: adapter.write_result(result)),
        ("read", lambda: adapter.read_merged(canvas.document_id, Bounds(0, 0, 8, 8))),
        ("layers", lambda: adapter.list_layers(canvas.document_id)),
    ):
        try:
            call()
        except PlaceGone as error:
            host.report(**{name: str(error)})
    again = Krita.instance().openDocument(path)
    yield from show(host, again)
    adapter.write_result(result)
    yield from host.wait(0.3)
    host.report(reopened=names(again))
    other = yield from open_picture(host, size=32)
    adapter.documents.adopt("of-another-krita", other)
    adapter.write_result(
        Result(patch(canvas, GREEN, 0, 0, 8, 8), ResultKind.LAYER, "adopted", "of-another-krita", b"")
    )
    yield from host.wait(0.3)
    host.report(adopted=names(other))
    try:
        adapter.read_layer(adapter.canvas().document_id, "{nobody}", Bounds(0, 0, 8, 8))
    except HostError as error:
        host.report(no_layer=str(error))
    texture = Image(16, 16, GREEN * 256, canvas.result_format)
    adapter.write_result(Result(texture, ResultKind.TEXTURE, "bricks", ""))
    yield from host.until(
        lambda: Krita.instance().activeDocument() not in (None, again, other), named="a picture"
    )
    yield from host.wait(0.5)
    made = Krita.instance().activeDocument()
    host.report(texture=[made.width(), made.height(), made.name()], texture_pixel=whole(made)[:4].hex())
    yield from close(host, again, other, made)


def ids(host):
    """A picture's id outlives the file's way to disk and back, once a job was sent; a copy gets its own."""
    adapter = KritaAdapter()
    document = yield from open_picture(host, size=32)
    document.setModified(False)
    first = adapter.canvas().document_id
    host.report(noted_by_looking=document.annotationTypes(), undo=Krita.instance().action("edit_undo").text())
    adapter.host_context(first)
    host.report(noted_by_a_job=document.annotationTypes(), modified=document.modified())
    host.report(undo_after=Krita.instance().action("edit_undo").text())
    paths = [str(host.folder / name) for name in ("kept.kra", "copy.kra")]
    for path in paths:
        document.setBatchmode(True)
        document.saveAs(path)
    yield from close(host, document)
    adapter, again, opened = KritaAdapter(), [], []
    for path in paths:
        opened.append(Krita.instance().openDocument(path))
        yield from show(host, opened[-1])
        again.append(adapter.canvas().document_id)
    host.report(first=first, again=again, still=adapter.documents.id_of(opened[0]))
    fresh = KritaAdapter()
    canvas = fresh.canvas()
    image = patch(canvas, GREEN, 0, 0, 8, 8)
    # Nothing but the id tells this new plug-in where it belongs.
    fresh.write_result(Result(image, ResultKind.LAYER, "late", first))
    yield from host.wait(0.3)
    host.report(layers=[names(one) for one in opened])
    yield from close(host, *opened)


def posting(host):
    """Functions from many threads run on the main one, in each thread's order."""
    import threading

    adapter = KritaAdapter()
    ran = []
    main = threading.get_ident()

    def post(who):
        for number in range(50):
            adapter.run_on_main(
                lambda who=who, number=number: ran.append((who, number, threading.get_ident()))
            )

    threads = [threading.Thread(target=post, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    yield from host.until(lambda: len(ran) == 200, named="all functions")
    host.report(
        on_main=all(one[2] == main for one in ran),
        in_order=all([n for w, n, _ in ran if w == who] == list(range(50)) for who in range(4)),
    )


CASES = {f.__name__: f for f in (reading, writing, placing, spaces, gone, ids, posting)}


def main(host):
    yield from CASES[host.arguments["case"]](host)
