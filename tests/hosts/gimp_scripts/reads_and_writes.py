"""In GIMP: the adapter itself, on images of every kind. Reports what does not hold."""

from __future__ import annotations

import random
import struct
import sys
from collections.abc import Iterator
from typing import Any

from gi.repository import Gimp


def main(host: Any) -> Iterator[None]:
    sys.path[:0] = [host.arguments["plugin"], host.arguments["scripts"]]
    from painting import painting, pixels, visible
    from underpaint_gimp import documents
    from underpaint_gimp._vendor.underpaint.errors import HostError, NoDocument, PlaceGone
    from underpaint_gimp._vendor.underpaint.host import Result, ResultKind
    from underpaint_gimp._vendor.underpaint.types import Bounds, Image
    from underpaint_gimp.adapter import GimpAdapter

    def noise(pixel_format: Any, count: int) -> bytes:
        draw = random.Random(5)
        code = {"u8": "B", "u16": "H", "f16": "e", "f32": "f"}[pixel_format.data_type.value]
        most = {"u8": 255, "u16": 65535}.get(pixel_format.data_type.value)
        count *= pixel_format.channels.count
        values = [draw.randint(0, most) if most else draw.random() for _ in range(count)]
        return struct.pack(f"={count}{code}", *values)

    def numbers(data: bytes, pixel_format: Any) -> list[float]:
        code, most = {"u8": ("B", 255), "u16": ("H", 65535), "f16": ("e", 1), "f32": ("f", 1)}[
            pixel_format.data_type.value
        ]
        size = {"B": 1, "H": 2, "e": 2, "f": 4}[code]
        return [value / most for value in struct.unpack(f"={len(data) // size}{code}", data)]

    # What is written is read again, in every precision.
    worst, formats = {}, {}
    for base in (Gimp.ImageBaseType.RGB, Gimp.ImageBaseType.GRAY):
        for name in sorted(name for name in dir(Gimp.Precision) if name.isupper()):
            image = Gimp.Image.new_with_precision(64, 48, base, getattr(Gimp.Precision, name))
            adapter = GimpAdapter(image)
            canvas = adapter.canvas()
            written = noise(canvas.result_format, 20 * 16)
            picture = Image(20, 16, written, canvas.result_format, 5, 7)
            adapter.write_result(Result(picture, ResultKind.LAYER, "noise", canvas.document_id))
            read = adapter.read_merged(canvas.document_id, Bounds(5, 7, 20, 16))
            found = numbers(bytes(read.data), read.format)
            wanted = numbers(written, canvas.result_format)
            key = f"{base.value_nick} {name.lower()}"
            # Colour under alpha 0 may go; what counts is what shows.
            channels = canvas.result_format.channels.count
            alphas = [wanted[at - at % channels + channels - 1] for at in range(len(wanted))]
            worst[key] = max(abs(a - b) for a, b, alpha in zip(found, wanted, alphas, strict=True) if alpha)
            formats[key] = [read.format.data_type.value, read.format.color_space.value]
            image.delete()
            yield
    host.report(worst=worst, formats=formats)

    # The merged picture is GIMP's own, whatever makes it up.
    def cut(data: bytes, width: int, bounds: Any) -> bytes:
        return b"".join(
            data[(y * width + bounds.x) * 4 : (y * width + bounds.right) * 4]
            for y in range(bounds.y, bounds.bottom)
        )

    def rgba(picture: Any) -> bytes:
        data = bytes(picture.data)
        if picture.format.channels.count == 4:
            return data
        parts = [data[at : at + 3] + b"\xff" for at in range(0, len(data), 3)]
        return b"".join(parts)

    def same(image: Any, bounds: Any) -> bool:
        adapter = GimpAdapter(image)
        read = rgba(adapter.read_merged(adapter.canvas().document_id, bounds))
        wanted = cut(visible(image), image.get_width(), bounds)
        # Under alpha 0 there is no colour to compare.
        return len(read) == len(wanted) and all(
            read[at : at + 4] == wanted[at : at + 4] or read[at + 3] == wanted[at + 3] == 0
            for at in range(0, len(read), 4)
        )

    inside, corner = Bounds(3, 41, 120, 90), Bounds(0, 0, 33, 21)
    merged = {}
    image = painting()
    merged["two layers"] = same(image, inside) and same(image, corner)
    glaze, ground = image.get_layers()
    glaze.set_visible(False)
    merged["one opaque layer"] = same(image, inside)
    ground.set_visible(False)
    merged["nothing"] = same(image, inside)
    glaze.set_visible(True)
    glaze.set_opacity(100.0)
    merged["one layer over the edge"] = same(image, inside)
    ground.set_visible(True)
    group = Gimp.GroupLayer.new(image, "group")
    image.insert_layer(group, None, 0)
    image.reorder_item(glaze, group, 0)
    group.set_opacity(35.0)
    merged["a group"] = same(image, inside)
    group.set_mode(Gimp.LayerMode.PASS_THROUGH)
    glaze.set_mode(Gimp.LayerMode.MULTIPLY)
    merged["a pass-through group"] = same(image, inside)
    ground.add_mask(ground.create_mask(Gimp.AddMaskType.SELECTION))
    merged["a mask"] = same(image, inside)
    glaze.append_filter(Gimp.DrawableFilter.new(glaze, "gegl:invert-gamma", "inverted"))
    merged["a filter"] = same(image, inside)
    host.report(merged=merged)
    yield

    # Layers: offsets, groups, transparency where there is nothing.
    adapter = GimpAdapter(image)
    document = adapter.canvas().document_id
    listed = adapter.list_layers(document)
    outline = [[layer.name, layer.bounds.x, layer.bounds.y, layer.group] for layer in listed]
    by_name = {layer.name: layer for layer in listed}
    area = Bounds(-20, 50, 60, 40)
    read = adapter.read_layer(document, by_name["glaze"].layer_id, area)
    own = pixels(glaze)
    expected = b"".join(
        own[((y - 61) * 90 + x + 13) * 4 : ((y - 61) * 90 + x + 14) * 4] if x >= -13 and y >= 61 else bytes(4)
        for y in range(area.y, area.bottom)
        for x in range(area.x, area.right)
    )
    host.report(outline=outline, layer_read=bytes(read.data) == expected, layer_place=[read.x, read.y])
    shown = rgba(adapter.read_layer(document, by_name["group"].layer_id, Bounds(0, 61, 60, 60)))
    host.report(group_shows=any(shown[3::4]))

    # The selection, soft edges included.
    bounds = adapter.selection_bounds(document)
    mask = adapter.read_selection(document, bounds)
    whole = pixels(image.get_selection(), "Y u8")
    host.report(
        selection=[bounds.x, bounds.y, bounds.width, bounds.height],
        selection_same=bytes(mask.data)
        == b"".join(
            whole[y * 301 + bounds.x : y * 301 + bounds.right] for y in range(bounds.y, bounds.bottom)
        ),
        selection_soft=any(0 < value < 255 for value in bytes(mask.data)),
    )
    Gimp.Selection.none(image)
    host.report(nothing_selected=adapter.selection_bounds(document) is None)
    yield

    # Where a result goes.
    picture = Image(10, 6, bytes(range(240)), adapter.canvas().result_format, -4, 220)
    adapter.write_result(Result(picture, ResultKind.LAYER, "over the edge", document))
    top = image.get_layers()[0]
    host.report(written=[top.get_name(), list(top.get_offsets())[1:], top.get_width(), top.get_height()],
                written_bytes=pixels(top) == bytes(range(240)))  # fmt: skip
    adapter.above = glaze
    adapter.write_result(
        Result(picture, ResultKind.LAYER, "in the group", document, adapter.host_context(document))
    )
    host.report(in_group=[layer.get_name() for layer in group.get_children()])
    context = adapter.host_context(document)
    image.remove_layer(glaze)
    adapter.write_result(Result(picture, ResultKind.LAYER, "on top", document, context))
    host.report(on_top=image.get_layers()[0].get_name())
    gapped = Image(2, 2, b"AAAABBBB--CCCCDDDD--", adapter.canvas().result_format, 1, 1, 10)
    adapter.write_result(Result(gapped, ResultKind.LAYER, "gapped", document))
    host.report(gapped=pixels(image.get_layers()[0]).decode())

    # Ids, and what is refused.
    twin = image.duplicate()
    refused = {}
    host.report(
        twins=GimpAdapter(twin).canvas().document_id != document,
        kept=GimpAdapter(image).canvas().document_id == document,
        known=documents.known_id(image) == document,
    )
    twin.flatten()
    twin.convert_indexed(Gimp.ConvertDitherType.NONE, Gimp.ConvertPaletteType.GENERATE, 16, False, False, "")
    for name, act, kind in (
        ("indexed", lambda: GimpAdapter(twin).canvas(), HostError),
        ("layer gone", lambda: adapter.read_layer(document, "99999", area), PlaceGone),
    ):
        try:
            act()
        except kind as error:
            refused[name] = str(error)
    image.delete()
    twin.delete()
    for name, act, kind in (
        ("closed", adapter.canvas, NoDocument),
        ("place gone", lambda: adapter.read_merged(document, area), PlaceGone),
    ):
        try:
            act()
        except kind as error:
            refused[name] = str(error)
    host.report(refused=refused)
