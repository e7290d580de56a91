"""For scripts that run inside GIMP: a document to work on, what it looks like, and a user's hands."""

from __future__ import annotations

import hashlib
import subprocess
import time
from typing import Any

from gi.repository import Gegl, Gimp

HANDS_S = 30.0
"""Longest that a window may take to get the keyboard, for one try."""
SIZE = (301, 223)  # no multiple of anything
MAIN = "GNU Image Manipulation Program|GIMP$"
"""The title of GIMP's image window."""
SELECTED = [101, 51, 187, 77, 203, 149, 140, 171, 93, 118]  # a crooked pentagon


def fill_with(layer: Any, pixel: Any, babl: str = "R'G'B' u8") -> None:
    """Sets every pixel of a layer to what `pixel(x, y)` gives, as bytes of that format."""
    width, height = layer.get_width(), layer.get_height()
    data = b"".join(pixel(x, y) for y in range(height) for x in range(width))
    layer.get_buffer().set(Gegl.Rectangle.new(0, 0, width, height), babl, data)
    layer.get_buffer().flush()
    layer.update(0, 0, width, height)


def new_layer(
    image: Any, name: str, size: tuple[int, int], opacity: float = 100.0, alpha: bool = True
) -> Any:
    """A layer of the image's own kind, not in it yet."""
    gray = image.get_base_type() == Gimp.ImageBaseType.GRAY
    kinds = {
        (False, False): Gimp.ImageType.RGB_IMAGE,
        (False, True): Gimp.ImageType.RGBA_IMAGE,
        (True, False): Gimp.ImageType.GRAY_IMAGE,
        (True, True): Gimp.ImageType.GRAYA_IMAGE,
    }
    return Gimp.Layer.new(image, name, *size, kinds[gray, alpha], opacity, Gimp.LayerMode.NORMAL)


def painting(
    base: Any = Gimp.ImageBaseType.RGB, precision: Any = Gimp.Precision.U8_NON_LINEAR, size: Any = SIZE
) -> Any:
    """A gradient with squares, a half-covering layer that hangs over the edge, and a crooked selection."""
    image = Gimp.Image.new_with_precision(*size, base, precision)
    ground = new_layer(image, "ground", size, alpha=False)
    image.insert_layer(ground, None, 0)
    width, height = size
    fill_with(
        ground, lambda x, y: bytes((x * 255 // width, y * 255 // height, (x // 16 + y // 16) % 2 * 200))
    )
    glaze = new_layer(image, "glaze", (90, 70), 60.0)
    image.insert_layer(glaze, None, 0)
    fill_with(glaze, lambda x, y: bytes((250, 200, x * 2, 255 if (x - 45) ** 2 + (y - 35) ** 2 < 900 else 0)),
              "R'G'B'A u8")  # fmt: skip
    glaze.set_offsets(-13, 61)
    image.select_polygon(Gimp.ChannelOps.REPLACE, [float(value) for value in SELECTED])
    image.clean_all()
    return image


def pixels(drawable: Any, babl: str = "R'G'B'A u8") -> bytes:
    """All bytes of a drawable."""
    area = Gegl.Rectangle.new(0, 0, drawable.get_width(), drawable.get_height())
    return bytes(drawable.get_buffer().get(area, 1.0, babl, Gegl.AbyssPolicy.NONE))


def visible(image: Any, babl: str = "R'G'B'A u8") -> bytes:
    """The whole picture as GIMP itself projects it."""
    other = Gimp.Image.new_with_precision(8, 8, image.get_base_type(), image.get_precision())
    try:
        seen = Gimp.Layer.new_from_visible(image, other, "seen")
        other.insert_layer(seen, None, 0)
        return pixels(seen, babl)
    finally:
        other.delete()


def state(image: Any) -> list[Any]:
    """Everything about the layers and the selection that a user could see changed."""
    layers = [
        [
            layer.get_name(),
            list(layer.get_offsets())[1:],
            layer.get_opacity(),
            layer.get_visible(),
            hashlib.sha256(pixels(layer, "R'G'B'A float")).hexdigest(),
        ]
        for layer in image.get_layers()
    ]
    chosen = [layer.get_name() for layer in image.get_selected_layers()]
    selected = hashlib.sha256(pixels(image.get_selection(), "Y u8")).hexdigest()
    return [image.get_width(), image.get_height(), layers, chosen, selected]


def call(name: str, image: Any, **properties: Any) -> tuple[str, Any, str]:
    """Calls a procedure as a script does: (status, first value, error message)."""
    procedure = Gimp.get_pdb().lookup_procedure(name)
    config = procedure.create_config()
    config.set_property("run-mode", Gimp.RunMode.NONINTERACTIVE)
    config.set_property("image", image)
    for key, value in properties.items():
        config.set_property(key.replace("_", "-"), value)
    values = procedure.run(config)
    status = values.index(0)
    if status == Gimp.PDBStatusType.SUCCESS:
        return status.value_nick, values.index(1), ""
    return status.value_nick, None, Gimp.get_pdb().get_last_error()


def hands(*arguments: str) -> str:
    """Keyboard and mouse."""
    done = subprocess.run(
        ["xdotool", *arguments], check=True, capture_output=True, text=True, timeout=HANDS_S
    )
    return done.stdout.strip()


def focused(window_id: str) -> bool:
    """Gives a window the keyboard; False if it cannot have it yet, or not any more."""
    try:
        hands("windowfocus", "--sync", window_id)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return False
    return True


def press(host: Any, *keys: str) -> Any:
    """`yield from` this: presses keys, one after the other."""
    for key in keys:
        hands("key", "--clearmodifiers", key)
        yield from host.wait(0.3)


def steady(host: Any, look: Any, seconds: float = 1.5) -> Any:
    """`yield from` this: returns what `look()` gives once that has not changed for a while."""
    found, since = look(), time.monotonic()
    while time.monotonic() - since < seconds:
        yield from host.wait(0.3)
        again = look()
        if again != found:
            found, since = again, time.monotonic()
    return found


def comes_to(host: Any, keys: str, look: Any, wanted: Any) -> Any:
    """`yield from` this: presses keys in the image window; whether `look()` then gives `wanted`.

    Keys that nothing came of are pressed again, as a person would: a busy window manager loses some.
    """
    before = look()
    for _ in range(3):
        yield from window(host, MAIN)
        yield from press(host, keys)
        try:
            yield from host.until(lambda: look() != before, 60)
        except TimeoutError:
            continue
        return (yield from steady(host, look)) == wanted
    return False


def window(host: Any, title: str, seconds: float = 180) -> Any:
    """`yield from` this: waits for a window and gives it the keyboard; returns its id."""
    deadline = time.monotonic() + seconds
    while True:
        found = subprocess.run(
            ["xdotool", "search", "--onlyvisible", "--name", title], capture_output=True, text=True
        ).stdout.split()
        if found and focused(found[-1]):
            yield from host.wait(0.5)
            return found[-1]
        if time.monotonic() > deadline:
            raise TimeoutError(f"no window {title!r}")
        yield from host.wait(0.1)


def choose(host: Any, words: str, title: str) -> Any:
    """`yield from` this: finds a command by GIMP's search, and waits for its dialog."""
    yield from window(host, MAIN)
    yield from press(host, "slash")
    yield from window(host, "Search Actions")
    hands("type", words)
    yield from host.wait(1.5)
    yield from press(host, "Return")
    if title:
        yield from window(host, title)
