"""In Krita: a document, a layer with painted pixels, one undo and one redo."""

from collections.abc import Iterator

from krita import Krita

from tests.hosts.drivers.hostscript import Host

WIDTH, HEIGHT = 256, 128
ORANGE_BGRA = bytes([0, 128, 255, 255])


def main(host: Host) -> Iterator[None]:
    krita = Krita.instance()
    document = krita.createDocument(WIDTH, HEIGHT, "painted", "RGBA", "U8", "", 72.0)
    window, undo = krita.activeWindow(), krita.action("edit_undo")
    assert document and window and undo
    window.addView(document)
    yield from host.until(lambda: krita.activeDocument() == document, named="the document's view")
    document.waitForDone()
    before = document.pixelData(0, 0, WIDTH, HEIGHT)

    layer, root = document.createNode("orange", "paintlayer"), document.rootNode()
    assert layer and root
    layer.setPixelData(ORANGE_BGRA * (WIDTH * HEIGHT), 0, 0, WIDTH, HEIGHT)
    root.addChildNode(layer, None)
    document.refreshProjection()
    document.waitForDone()
    painted = bytes(document.pixelData(0, 0, WIDTH, HEIGHT))
    host.report(
        version=krita.version(),
        painted=painted == ORANGE_BGRA * (WIDTH * HEIGHT),
        layers=[node.name() for node in document.topLevelNodes()],
    )
    host.report(shown=True)
    yield from host.until(lambda: host.told("seen"), named="the test's look at the screen")
    host.report(picture=host.screenshot("krita.png"))

    undo.trigger()
    document.waitForDone()
    yield from host.until(lambda: len(document.topLevelNodes()) == 1, named="undo")
    document.refreshProjection()
    document.waitForDone()
    host.report(undone=document.pixelData(0, 0, WIDTH, HEIGHT) == before)
