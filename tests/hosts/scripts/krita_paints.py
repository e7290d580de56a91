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
    yield from host.wait(0.3)
    before = document.pixelData(0, 0, WIDTH, HEIGHT)

    layer, root = document.createNode("orange", "paintlayer"), document.rootNode()
    assert layer and root
    layer.setPixelData(ORANGE_BGRA * (WIDTH * HEIGHT), 0, 0, WIDTH, HEIGHT)
    root.addChildNode(layer, None)
    document.refreshProjection()
    painted = bytes(document.pixelData(0, 0, WIDTH, HEIGHT))
    host.report(
        version=krita.version(),
        painted=painted == ORANGE_BGRA * (WIDTH * HEIGHT),
        layers=[node.name() for node in document.topLevelNodes()],
    )
    yield from host.wait(0.5)
    host.report(picture=host.screenshot("krita.png"))
    yield from host.until(lambda: host.told("seen"), named="the test's look at the screen")

    undo.trigger()
    document.waitForDone()
    yield from host.until(lambda: len(document.topLevelNodes()) == 1, named="undo")
    document.refreshProjection()
    host.report(undone=document.pixelData(0, 0, WIDTH, HEIGHT) == before)
