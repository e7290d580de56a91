"""In GIMP: an image with a filled layer, its bytes read back, and a display if asked for."""

from collections.abc import Iterator

from gi.repository import Gegl, Gimp

from tests.hosts.drivers.hostscript import Host

WIDTH, HEIGHT = 640, 480


def main(host: Host) -> Iterator[None]:
    image = Gimp.Image.new(WIDTH, HEIGHT, Gimp.ImageBaseType.RGB)
    layer = Gimp.Layer.new(
        image, "orange", WIDTH, HEIGHT, Gimp.ImageType.RGBA_IMAGE, 100.0, Gimp.LayerMode.NORMAL
    )
    image.insert_layer(layer, None, 0)
    Gimp.context_set_foreground(Gegl.Color.new("#ff8000"))  # rgb(1.0, 0.5, 0.0) would be linear
    layer.edit_fill(Gimp.FillType.FOREGROUND)
    area = Gegl.Rectangle.new(0, 0, WIDTH, HEIGHT)
    data = layer.get_buffer().get(area, 1.0, "R'G'B'A u8", Gegl.AbyssPolicy.NONE)
    host.report(version=Gimp.version(), pixel=list(data[:4]), even=data == data[:4] * (len(data) // 4))
    if host.arguments.get("show"):
        Gimp.Display.new(image)
        Gimp.displays_flush()
        host.report(shown=True)
        yield from host.until(lambda: host.told("seen"), named="the test's look at the screen")
        host.report(picture=host.screenshot("gimp.png"))
