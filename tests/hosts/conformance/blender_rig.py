"""The painter and the program, for Blender: images, masks, brush strokes and undo, by `bpy` alone."""

from __future__ import annotations

import array
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import bpy
from bl_ext.user_default.underpaint import runtime
from bl_ext.user_default.underpaint.adapter import BlenderAdapter

from underpaint.testing.conformance import DocumentSpec, Rig, Unsupported
from underpaint.testing.conformance.codec import Color, converted
from underpaint.testing.conformance.patterns import coverage
from underpaint.types import Alpha, Bounds, Channels, ColorSpace, DataType, Image, PixelFormat, RowOrder

# What Blender's manual says of its images: floats from the bottom row up, whatever the file's depth.
BYTES = PixelFormat(Channels.RGBA, DataType.F32, Alpha.STRAIGHT, ColorSpace.SRGB, RowOrder.BOTTOM_UP)
FLOATS = replace(BYTES, alpha=Alpha.PREMULTIPLIED, color_space=ColorSpace.LINEAR_REC709)
SPACES = {ColorSpace.SRGB: "sRGB", ColorSpace.LINEAR_REC709: "Linear Rec.709"}
PIXEL = 16
"""Bytes: four floats."""
LARGEST = 4096 * 4096
"""Pixels: 256 MiB as floats, which is what the suite grants a host for reading a part."""
BRUSH = "Hard Pixel"
DAB = 2
"""Pixels across that the smallest hard brush paints."""


class BlenderRig(Rig):
    """One painter with one Image Editor, in a file that has been saved once."""

    formats = (
        (DataType.U8, ColorSpace.SRGB),
        (DataType.U8, ColorSpace.LINEAR_REC709),
        (DataType.F32, ColorSpace.LINEAR_REC709),
    )

    def __init__(self) -> None:
        file = Path(bpy.app.tempdir) / "conformance.blend"
        bpy.ops.wm.save_as_mainfile(filepath=str(file))
        self._threads = set(threading.enumerate())
        self._users: dict[str, str] = {}
        """The texture that uses a document: what it shows is what the user has, whatever it is called."""
        self._masks: dict[str, str] = {}
        self._active = ""
        self.adapter = _adapter()

    @staticmethod
    def launch(run: Callable[[], None]) -> None:
        """From a timer, with a brush in hand.

        Blender 4.3 has brushes as assets only, and crashes where one is taken before its editor was drawn in
        Paint mode: it is taken once, and stays in hand.
        """
        drawn: list[bool] = []
        handler: list[Any] = []

        def once() -> float | None:
            with _editor() as (space, region):
                if bpy.context.scene.tool_settings.image_paint.brush is None:
                    if not handler:
                        bpy.data.brushes.new(BRUSH, mode="TEXTURE_PAINT").asset_mark()
                        space.image = bpy.data.images.new("canvas", 8, 8)
                        space.ui_mode = "PAINT"
                        handler.append(
                            space.draw_handler_add(lambda: drawn.append(True), (), "WINDOW", "POST_PIXEL")
                        )
                    if not drawn:
                        region.tag_redraw()
                        return 0.02
                    space.draw_handler_remove(handler.pop(), "WINDOW")
                    bpy.ops.brush.asset_activate(
                        asset_library_type="LOCAL", relative_asset_identifier=f"Brush/{BRUSH}"
                    )
            run()
            return None

        bpy.app.timers.register(once, persistent=True)

    def open(self, spec: DocumentSpec) -> str:
        """A new image, painted as the layers would look, with a user, in the Image Editor."""
        if spec.width * spec.height > LARGEST:
            floats = spec.width * spec.height * 16 >> 30
            raise Unsupported(
                f"Blender hands out whole images only: any part of {spec.width}x{spec.height} costs "
                f"{floats} GiB of floats"
            )
        is_float = spec.data_type is DataType.F32
        image = bpy.data.images.new(spec.title, spec.width, spec.height, alpha=True, float_buffer=is_float)
        if image.colorspace_settings.name != SPACES[spec.color_space]:
            # Blender 4.3 then loses its unsaved pixels when any change of it is undone, a new name even.
            image.colorspace_settings.name = SPACES[spec.color_space]
        _paint_all(image, spec.pixels(_format(image)))
        user = bpy.data.textures.new("user", "IMAGE")
        user.image = image
        user.use_fake_user = True
        self._show(image, "")
        bpy.ops.ed.undo_push(message="New image")
        self._active = self.adapter.canvas().document_id
        self._users[self._active] = user.name
        return self._active

    def picture(self, document_id: str, bounds: Bounds) -> Image:
        """What the image's user shows."""
        image = self._image(document_id)
        width, height = image.size
        data = memoryview(_floats(image)).cast("B")
        row, part = width * PIXEL, bounds.width * PIXEL
        start = (height - bounds.bottom) * row + bounds.x * PIXEL
        rows = b"".join(data[at : at + part] for at in range(start, start + bounds.height * row, row))
        return Image(bounds.width, bounds.height, rows, _format(image), bounds.x, bounds.y)

    def pump(self, until: Callable[[], bool], seconds: float) -> bool:
        """As the add-on's timer does it: none fires while a script runs."""
        deadline = time.monotonic() + seconds
        while not until():
            if time.monotonic() > deadline:
                return False
            self.adapter.queue.pump()
            time.sleep(0.002)
        return True

    def select(self, document_id: str, mask: Image | None) -> None:
        """Paints a mask image: white is selected. Nothing is: it is black."""
        image = self._image(document_id)
        width, height = image.size
        covered = [
            (coverage(mask, x, y) if mask is not None else 0) / 255
            for y in reversed(range(height))
            for x in range(width)
        ]
        name = self._masks.get(document_id, "")
        painted = bpy.data.images.get(name) or bpy.data.images.new(f"{image.name} mask", width, height)
        painted.colorspace_settings.name = "Non-Color"
        values = array.array("f", (value for one in covered for value in (one, one, one, 1.0)))
        _paint_all(painted, values.tobytes())
        self._masks[document_id] = painted.name
        bpy.ops.ed.undo_push(message="Paint the mask")
        self._show(image, painted.name)

    def undo(self, document_id: str) -> None:
        """Ctrl+Z."""
        bpy.ops.ed.undo()

    def redo(self, document_id: str) -> None:
        """Shift+Ctrl+Z."""
        bpy.ops.ed.redo()

    def paint(self, document_id: str, bounds: Bounds, color: Color) -> None:
        """One stroke of a small hard brush in the Image Editor, up and down the rectangle."""
        image = self._image(document_id)
        self._show(image, self._masks.get(document_id, ""))
        space = _format(image).color_space
        with _editor() as (space_data, _):
            space_data.ui_mode = "PAINT"
            bpy.ops.image.view_zoom_ratio(ratio=1.0)
        _redraw()  # ends the context that was given to it
        with _editor() as (_, region):
            brush = _brush()
            brush.color = converted(color, space, ColorSpace.SRGB)[:3]
            left, bottom = region.view2d.view_to_region(0, 0, clip=False)
            foot = image.size[1] - bounds.bottom
            places = [
                (left + x + DAB - 0.5, bottom + y + DAB - 0.5)
                for x in _steps(bounds.x, bounds.width)
                for y in _steps(foot, bounds.height)
            ]
            stroke = [_dab(number, *place) for number, place in enumerate(places)]
            bpy.ops.paint.image_paint(stroke=stroke, mode="NORMAL")

    def crop(self, document_id: str, bounds: Bounds) -> None:
        """Blender has no crop of its own; an add-on scales the image down and paints it anew, as here."""
        image = self._image(document_id)
        part = self.picture(document_id, bounds)
        image.scale(bounds.width, bounds.height)
        _paint_all(image, bytes(part.data))
        bpy.ops.ed.undo_push(message="Crop")

    def close(self, document_id: str) -> None:
        """Deleted from the file."""
        bpy.data.images.remove(self._image(document_id))
        bpy.ops.ed.undo_push(message="Delete image")

    def restart(self) -> None:
        """Saved with its pictures, and opened again by an add-on that knows nothing of before."""
        for image in bpy.data.images:
            if image.is_dirty:
                image.pack()
        active = self._image(self._active).name
        bpy.ops.wm.save_mainfile()
        bpy.ops.wm.open_mainfile(filepath=bpy.data.filepath)
        self.adapter = _adapter()
        self._show(bpy.data.images[active], self._masks.get(self._active, ""))

    def leaks(self) -> Sequence[str]:
        """Threads of ours that are still there."""
        more = set(threading.enumerate()) - self._threads
        return [f"thread {thread.name}" for thread in more if thread.name.startswith("underpaint")]

    def finish(self) -> None:
        """Deletes every picture; the file stays open, with its brush."""
        bpy.data.batch_remove([*bpy.data.textures, *bpy.data.images])

    def _image(self, document_id: str) -> bpy.types.Image:
        return bpy.data.textures[self._users[document_id]].image

    def _show(self, image: bpy.types.Image, mask: str) -> None:
        """In the Image Editor, and chosen as the panel's buttons choose it when they are pressed."""
        with _editor() as (space, _):
            space.image = image
        self.adapter.image, self.adapter.mask = image.name, mask


class BlenderFloatRig(BlenderRig):
    """The same painter, who works in floats: they come first in `formats`."""

    formats = BlenderRig.formats[::-1]


def _adapter() -> BlenderAdapter:
    made = BlenderAdapter()
    made.changed = runtime.redraw
    return made


def _format(image: bpy.types.Image) -> PixelFormat:
    linear = image.colorspace_settings.name == SPACES[ColorSpace.LINEAR_REC709]
    if image.is_float:
        return FLOATS
    return replace(BYTES, color_space=ColorSpace.LINEAR_REC709) if linear else BYTES


def _floats(image: bpy.types.Image) -> array.array[float]:
    width, height = image.size
    found = array.array("f", bytes(4 * width * height * image.channels))
    image.pixels.foreach_get(found)
    return found


def _paint_all(image: bpy.types.Image, data: bytes) -> None:
    image.pixels.foreach_set(array.array("f", data))
    image.update()


@contextmanager
def _editor() -> Iterator[tuple[Any, Any]]:
    """The Image Editor (its space and its region) as the context; the largest area becomes one."""
    window = bpy.context.window_manager.windows[0]
    areas = sorted(window.screen.areas, key=lambda area: -area.width * area.height)
    area = next((area for area in areas if area.type == "IMAGE_EDITOR"), areas[0])
    if area.type != "IMAGE_EDITOR":
        area.type = "IMAGE_EDITOR"
        _redraw()
    region = next(region for region in area.regions if region.type == "WINDOW")
    with bpy.context.temp_override(window=window, area=area, region=region):
        yield area.spaces.active, region


def _redraw() -> None:
    bpy.ops.wm.redraw_timer(type="DRAW_WIN_SWAP", iterations=1)


def _brush() -> Any:
    """The brush in hand: hard, opaque, two pixels across."""
    settings = bpy.context.scene.tool_settings
    for shared in ("use_unified_size", "use_unified_strength", "use_unified_color"):
        setattr(settings.unified_paint_settings, shared, False)
    brush = settings.image_paint.brush
    brush.size, brush.strength, brush.stroke_method, brush.curve_preset = 1, 1.0, "DOTS", "CONSTANT"
    brush.use_paint_antialiasing = brush.use_pressure_size = brush.use_pressure_strength = False
    return brush


def _steps(start: int, length: int) -> list[int]:
    """Where dabs begin, so that they cover `length` pixels and no other."""
    return [min(start + step, start + length - DAB) for step in range(0, length, DAB)]


def _dab(number: int, x: float, y: float) -> dict[str, Any]:
    return {
        "name": "",
        "location": (0.0, 0.0, 0.0),
        "mouse": (x, y),
        "mouse_event": (x, y),
        "pressure": 1.0,
        "size": 1.0,
        "pen_flip": False,
        "x_tilt": 0.0,
        "y_tilt": 0.0,
        "time": 0.01 * number,
        "is_start": number == 0,
    }
