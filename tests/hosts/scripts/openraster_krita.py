"""Runs inside Krita: opens an OpenRaster file, says what is in it, and saves it as another one."""

import base64

from krita import InfoObject, Krita


def described(node):
    bounds = node.bounds()
    return {
        "name": node.name(),
        "group": node.type() == "grouplayer",
        "place": [bounds.x(), bounds.y(), bounds.width(), bounds.height()],
        "visible": node.visible(),
        "locked": node.locked(),
        "opacity": node.opacity() / 255,
        "layers": [described(child) for child in reversed(node.childNodes())],
    }


def main(host):
    Krita.instance().setBatchmode(True)  # no questions about what a format cannot hold
    document = Krita.instance().openDocument(host.arguments["source"])
    host.report(step="opened")
    document.waitForDone()
    size = (document.width(), document.height())
    picture = bytes(document.pixelData(0, 0, *size))
    host.report(
        size=list(size),
        depth=document.colorDepth(),
        layers=[described(node) for node in reversed(document.topLevelNodes())],
        picture=base64.b64encode(picture).decode(),
    )
    host.report(saved=document.exportImage(host.arguments["target"], InfoObject()))
    document.setModified(False)
    document.close()
