"""The painter and the program, for GIMP: by libgimp, and by the keyboard where that has no call."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from subprocess import CalledProcessError
from typing import Any

from gi.repository import Gegl, Gimp, Gio, GLib
from underpaint_gimp.adapter import GimpAdapter

from tests.hosts.gimp_scripts.painting import focused, hands, new_layer
from underpaint.testing.conformance import DocumentSpec, LayerSpec, Rig, Unsupported
from underpaint.testing.conformance.codec import Color, converted
from underpaint.testing.conformance.patterns import coverage
from underpaint.types import Bounds, ColorSpace, DataType, Image, PixelFormat

_P = Gimp.Precision
PRECISIONS = {
    (DataType.U8, ColorSpace.SRGB): _P.U8_NON_LINEAR,
    (DataType.U8, ColorSpace.LINEAR_REC709): _P.U8_LINEAR,
    (DataType.U16, ColorSpace.SRGB): _P.U16_NON_LINEAR,
    (DataType.U16, ColorSpace.LINEAR_REC709): _P.U16_LINEAR,
    (DataType.F16, ColorSpace.SRGB): _P.HALF_NON_LINEAR,
    (DataType.F16, ColorSpace.LINEAR_REC709): _P.HALF_LINEAR,
    (DataType.F32, ColorSpace.SRGB): _P.FLOAT_NON_LINEAR,
    (DataType.F32, ColorSpace.LINEAR_REC709): _P.FLOAT_LINEAR,
}
BABL_TYPES = {DataType.U8: "u8", DataType.U16: "u16", DataType.F16: "half", DataType.F32: "float"}
VIEWS = 1000
"""More than are ever opened here; GIMP counts them from 1."""
WINDOW_S = 120.0
"""Longest that GIMP may take to show an image or to take it away, on a busy machine."""
KEY_S = 60.0
"""Longest that it may take to do what a key says."""


class GimpRig(Rig):
    """One call of the plug-in at a time, as GIMP makes it: on the image that the painter looks at."""

    adapter: GimpAdapter
    formats = tuple(PRECISIONS)

    def __init__(self) -> None:
        self._threads = set(threading.enumerate())
        self._folder = tempfile.TemporaryDirectory()
        self._images: dict[str, Any] = {}
        self._displays: dict[str, Any] = {}
        self.adapter = GimpAdapter(None)

    def open(self, spec: DocumentSpec) -> str:
        """A new image with the specification's layers, in GIMP's window; the plug-in is called for it."""
        place = spec.data_type, spec.color_space
        image = Gimp.Image.new_with_precision(
            spec.width, spec.height, Gimp.ImageBaseType.RGB, PRECISIONS[place]
        )
        image.undo_disable()
        image.set_file(Gio.File.new_for_path(str(Path(self._folder.name) / f"{spec.title}.xcf")))
        self._add(image, None, spec.layers, PixelFormat(data_type=place[0], color_space=place[1]))
        image.undo_enable()
        if spec.layers:
            image.set_selected_layers(image.get_layers()[:1])
        self.adapter.image = image
        found: str = self.adapter.canvas().document_id
        self._show(found, image)
        return found

    def picture(self, document_id: str, bounds: Bounds) -> Image:
        """What *Image › Duplicate* and *Merge Visible Layers* give."""
        image = self._images[document_id]
        format = _format(image)
        copy = image.duplicate()
        try:
            data = bytes(bounds.width * bounds.height * format.bytes_per_pixel)
            if any(layer.get_visible() for layer in copy.get_layers()):
                data = _read(copy.merge_visible_layers(Gimp.MergeType.CLIP_TO_IMAGE), bounds, format)
        finally:
            copy.delete()
        return Image(bounds.width, bounds.height, data, format, bounds.x, bounds.y)

    def pump(self, until: Callable[[], bool], seconds: float) -> bool:
        """GLib's main loop, which the plug-in turns while a job runs."""
        context = GLib.MainContext.default()
        deadline = time.monotonic() + seconds
        while not until():
            if time.monotonic() > deadline:
                return False
            while context.pending():
                context.iteration(False)
            time.sleep(0.002)
        return True

    def select(self, document_id: str, mask: Image | None) -> None:
        """A rectangle where all of it is selected; else a channel, painted, then *Channel to Selection*."""
        image = self._images[document_id]
        if mask is None:
            Gimp.Selection.none(image)
            return
        if bytes(mask.data).strip(b"\xff") == b"":
            image.select_rectangle(Gimp.ChannelOps.REPLACE, mask.x, mask.y, mask.width, mask.height)
            return
        width, height = image.get_width(), image.get_height()
        data = bytes(coverage(mask, x, y) for y in range(height) for x in range(width))
        with _same_layers_selected(image):
            channel = Gimp.Channel.new(image, "mask", width, height, 50, Gegl.Color.new("red"))
            image.insert_channel(channel, None, 0)
            buffer = channel.get_buffer()
            # Grey as the painter sees it, which is how GIMP takes channels of 8 bits for coverage.
            buffer.set(Gegl.Rectangle.new(0, 0, width, height), "Y' u8", data)
            buffer.flush()
            channel.update(0, 0, width, height)
            image.select_item(Gimp.ChannelOps.REPLACE, channel)
            image.remove_channel(channel)

    def layer_names(self, document_id: str) -> Sequence[str]:
        """As the layers' dialog lists them."""
        return [layer.get_name() for layer in _walk(self._images[document_id].get_layers())]

    def undo(self, document_id: str) -> None:
        """Ctrl+Z in GIMP's window: libgimp has no call for it."""
        self._press(document_id, "ctrl+z")

    def redo(self, document_id: str) -> None:
        """Ctrl+Y in GIMP's window."""
        self._press(document_id, "ctrl+y")

    def paint(self, document_id: str, bounds: Bounds, color: Color) -> None:
        """*Edit › Fill with Foreground Colour* in a rectangle; the selection is then what it was."""
        image = self._images[document_id]
        red, green, blue, _ = converted(color, _format(image).color_space, ColorSpace.LINEAR_REC709)
        Gimp.context_set_foreground(Gegl.Color.new(f"rgb({red}, {green}, {blue})"))
        (layer,) = image.get_selected_layers()
        image.undo_group_start()
        with _same_layers_selected(image):
            saved = Gimp.Selection.save(image)
            image.select_rectangle(Gimp.ChannelOps.REPLACE, bounds.x, bounds.y, bounds.width, bounds.height)
            layer.edit_fill(Gimp.FillType.FOREGROUND)
            image.select_item(Gimp.ChannelOps.REPLACE, saved)
            image.remove_channel(saved)
        image.undo_group_end()
        Gimp.displays_flush()

    def crop(self, document_id: str, bounds: Bounds) -> None:
        """*Image › Crop to …*."""
        self._images[document_id].crop(bounds.width, bounds.height, bounds.x, bounds.y)
        Gimp.displays_flush()

    def delete_layer(self, document_id: str, name: str) -> None:
        """The topmost one of that name."""
        image = self._images[document_id]
        image.remove_layer(next(layer for layer in _walk(image.get_layers()) if layer.get_name() == name))
        Gimp.displays_flush()

    def close(self, document_id: str) -> None:
        """Without saving: GIMP forgets an image with its last view."""
        image = self._images.pop(document_id)
        self._displays.pop(document_id).delete()
        if not self.pump(lambda: not image.is_valid(), WINDOW_S):
            raise Unsupported("GIMP kept an image whose view was closed")

    def restart(self) -> None:
        """Every image is saved as XCF and opened again, for a call of the plug-in that knows of no other.

        `test_gimp_fill` lets GIMP itself die, and another one fetch the picture.
        """
        active = self.adapter.image.get_id()
        for document_id, image in list(self._images.items()):
            was_active = image.get_id() == active
            file = Gio.File.new_for_path(str(Path(self._folder.name) / f"{image.get_id()}.xcf"))
            Gimp.file_save(Gimp.RunMode.NONINTERACTIVE, image, file, None)
            self.close(document_id)
            opened = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, file)
            self._show(document_id, opened)
            if was_active:
                self.adapter = GimpAdapter(opened)

    def leaks(self) -> Sequence[str]:
        """Threads of ours, and images that the painter has not opened."""
        more = set(threading.enumerate()) - self._threads
        threads = [f"thread {thread.name}" for thread in more if thread.name.startswith("underpaint")]
        known = {image.get_id() for image in self._images.values()}
        images = [f"image {image.get_name()}" for image in Gimp.get_images() if image.get_id() not in known]
        return [*threads, *images]

    def finish(self) -> None:
        """Closes every image, also what the adapter opened for the painter. What no view shows is a leak."""
        for document_id in list(self._images):
            self.close(document_id)
        self._folder.cleanup()
        leaked = [name for image in Gimp.get_images() if (name := image.get_name()) and image.delete()]
        # GIMP deletes no image that has a view, and does not say which views an image has.
        views = (Gimp.Display.get_by_id(at) for at in range(1, VIEWS) if Gimp.Display.id_is_valid(at))
        while Gimp.get_images():
            next(views).delete()
        if leaked:
            raise RuntimeError(f"images that no view shows were left: {', '.join(leaked)}")

    def _show(self, document_id: str, image: Any) -> None:
        self._images[document_id] = image
        self._displays[document_id] = Gimp.Display.new(image)
        Gimp.displays_flush()

    def _add(self, image: Any, parent: Any, layers: Sequence[LayerSpec], pixels: PixelFormat) -> None:
        for position, spec in enumerate(layers):
            if spec.group:
                layer = Gimp.GroupLayer.new(image, spec.name)
            else:
                place = spec.bounds
                layer = new_layer(image, spec.name, (place.width, place.height))
                layer.set_offsets(place.x, place.y)
                area = Gegl.Rectangle.new(0, 0, place.width, place.height)
                buffer = layer.get_buffer()
                buffer.set(area, _babl(pixels), spec.pixels(pixels))
                buffer.flush()
                layer.update(0, 0, place.width, place.height)
            image.insert_layer(layer, parent, position)
            self._add(image, layer, spec.children or (), pixels)
            layer.set_visible(spec.visible)
            layer.set_lock_content(spec.locked)

    def _press(self, document_id: str, keys: str) -> None:
        """Presses keys in the window of this image, and waits until they have changed something."""
        image = self._images[document_id]
        self._focus(image)
        before = self._looks(document_id)
        hands("key", "--clearmodifiers", keys)
        self.pump(lambda: self._looks(document_id) != before, KEY_S)

    def _focus(self, image: Any) -> None:
        found: list[str] = []

        def titled() -> bool:
            # GIMP's default title names image and view by number.
            found[:] = _windows(f"[-]{image.get_id()}[.]0 ")
            return bool(found)

        if not self.pump(titled, WINDOW_S):
            raise Unsupported(
                f"no window of GIMP shows image {image.get_id()}, there are: "
                + ", ".join(hands("getwindowname", one) for one in _windows("."))
            )
        if not self.pump(lambda: titled() and focused(found[-1]), WINDOW_S):
            raise Unsupported(f"the window of image {image.get_id()} does not take the keyboard")

    def _looks(self, document_id: str) -> tuple[Sequence[str], bytes]:
        image = self._images[document_id]
        whole = Bounds(0, 0, image.get_width(), image.get_height())
        return self.layer_names(document_id), bytes(self.picture(document_id, whole).data)


def _windows(title: str) -> list[str]:
    try:
        return hands("search", "--onlyvisible", "--name", title).split()
    except CalledProcessError:
        return []  # xdotool's way to say that there is none


@contextmanager
def _same_layers_selected(image: Any) -> Iterator[None]:
    """To select a new channel, as GIMP does, is to select no layer any more."""
    layers = image.get_selected_layers()
    yield
    image.set_selected_layers(layers)


def _format(image: Any) -> PixelFormat:
    """How pixels of our images lie."""
    precision = image.get_precision()
    depth, space = next(place for place, known in PRECISIONS.items() if known == precision)
    return PixelFormat(data_type=depth, color_space=space)


def _babl(format: PixelFormat) -> str:
    model = "R'G'B'A" if format.color_space is ColorSpace.SRGB else "RGBA"
    return f"{model} {BABL_TYPES[format.data_type]}"


def _read(layer: Any, bounds: Bounds, format: PixelFormat) -> bytes:
    """Pixels of a layer within `bounds` of the canvas, zeros beside it."""
    _, left, top = layer.get_offsets()
    area = Gegl.Rectangle.new(bounds.x - left, bounds.y - top, bounds.width, bounds.height)
    return bytes(layer.get_buffer().get(area, 1.0, _babl(format), Gegl.AbyssPolicy.NONE))


def _walk(layers: Sequence[Any]) -> Iterator[Any]:
    for layer in layers:
        yield layer
        if layer.is_group():
            yield from _walk(layer.get_children())
