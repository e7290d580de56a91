"""In Blender: an image written and read back, and shown if there is a window."""

from collections.abc import Iterator

import bpy

from tests.hosts.drivers.hostscript import Host

SIZE = 512
ORANGE = [1.0, 0.5, 0.0, 1.0]


def main(host: Host) -> Iterator[None]:
    image = bpy.data.images.new("orange", SIZE, SIZE)
    image.pixels.foreach_set(ORANGE * (SIZE * SIZE))
    image.update()
    values = [0.0] * (SIZE * SIZE * 4)
    image.pixels.foreach_get(values)
    host.report(
        version=bpy.app.version_string,
        background=bpy.app.background,
        worst=max(abs(a - b) for a, b in zip(values, ORANGE * (SIZE * SIZE), strict=True)),
    )
    if not bpy.app.background:
        areas = bpy.context.window_manager.windows[0].screen.areas
        area = max(areas, key=lambda area: area.width * area.height)
        area.type = "IMAGE_EDITOR"
        area.spaces.active.image = image
        host.report(shown=True)
        yield from host.until(lambda: host.told("seen"), named="the test's look at the screen")
        host.report(picture=host.screenshot("blender.png"))
