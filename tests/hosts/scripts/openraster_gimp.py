"""Runs inside GIMP: opens an OpenRaster file, says what is in it, and saves it as another one."""

import base64

from gi.repository import Gegl, Gimp, Gio


def described(layer):
    _, x, y = layer.get_offsets()
    return {
        "name": layer.get_name(),
        "group": layer.is_group(),
        "place": [x, y, layer.get_width(), layer.get_height()],
        "visible": layer.get_visible(),
        "opacity": layer.get_opacity() / 100,
        "layers": [described(child) for child in layer.get_children()] if layer.is_group() else [],
    }


def main(host):
    quiet = Gimp.RunMode.NONINTERACTIVE
    image = Gimp.file_load(quiet, Gio.File.new_for_path(host.arguments["source"]))
    layers = [described(layer) for layer in image.get_layers()]
    saved = Gimp.file_save(quiet, image, Gio.File.new_for_path(host.arguments["target"]), None)
    image.merge_visible_layers(Gimp.MergeType.CLIP_TO_IMAGE)
    drawable = next(layer for layer in image.get_layers() if layer.get_visible())
    _, x, y = drawable.get_offsets()
    size = [image.get_width(), image.get_height()]
    area = Gegl.Rectangle.new(-x, -y, *size)
    picture = drawable.get_buffer().get(area, 1.0, "R'G'B'A u8", Gegl.AbyssPolicy.NONE)
    host.report(
        size=size,
        layers=layers,
        picture=base64.b64encode(bytes(picture)).decode(),
        saved=saved,
    )
    image.delete()
