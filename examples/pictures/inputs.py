"""What goes in: drawings, masks and pictures that need no model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from easel import EDGE
from make import wall
from PIL import Image as Pictures
from PIL import ImageDraw

from underpaint.engine.pixels.color import Floats

HERE = Path(__file__).resolve().parent
SPILL = (60, 20, 60 + EDGE, 20 + EDGE)
"""The part of wall.png with the paint on it."""


def shown(values: Floats) -> Pictures.Image:
    """An array of 0.0 to 1.0: a mask, or a picture."""
    return Pictures.fromarray(np.uint8(values * 255 + 0.5))


def blank() -> Pictures.Image:
    return Pictures.new("L", (EDGE, EDGE))


def drawing() -> Pictures.Image:
    """A wheel, white on black."""
    lines = Pictures.new("RGB", (EDGE, EDGE))
    pen, middle = ImageDraw.Draw(lines), EDGE / 2
    for radius in (36, 74, 112):
        pen.circle((middle, middle), radius, outline="white", width=2)
    for angle in np.arange(12) * np.pi / 6:
        ends = [middle + radius * turned(angle) for radius in (36, 112) for turned in (np.cos, np.sin)]
        pen.line(ends, fill="white", width=2)
    return lines


def people(*places: tuple[float, float, float]) -> list[Floats]:
    """Somebody who waves, at each place (x, y, size), as `skeleton.drawn` takes people."""
    body = [(0, -150), (0, -110), (-45, -105), (-75, -40), (-60, 30), (45, -105), (85, -50), (120, -110)]
    legs = [(-28, 30), (-35, 120), (-30, 210), (28, 30), (50, 115), (95, 190)]
    face = [(-10, -162), (10, -162), (-24, -155), (24, -155)]
    points = np.array(body + legs + face, np.float32)
    sure = np.ones((len(points), 1), np.float32)
    return [np.concatenate([points * size + (x, y), sure], axis=1) for x, y, size in places]


def hills() -> Pictures.Image:
    """Rings around two tops; bright is high."""
    y, x = np.mgrid[0:EDGE, 0:EDGE] / EDGE
    near = np.minimum(np.hypot(x - 0.3, y - 0.35), np.hypot(x - 0.75, y - 0.7))
    return Pictures.fromarray(np.uint8(127.5 + 127.5 * np.cos(near * 50))).convert("RGB")


def disc() -> Pictures.Image:
    mask = blank()
    ImageDraw.Draw(mask).ellipse((58, 58, 198, 198), fill=255)
    return mask


def left() -> Pictures.Image:
    mask = blank()
    mask.paste(255, (0, 0, EDGE // 2, EDGE))
    return mask


def slope() -> Pictures.Image:
    """Black at the left edge, white at the right, grey between in the middle half."""
    across = np.clip(np.linspace(-0.5, 1.5, EDGE, dtype=np.float32), 0, 1)
    return shown(np.tile(across, (EDGE, 1)))


def cobbles() -> Pictures.Image:
    return wall().crop((0, 0, EDGE, EDGE))


def spilt() -> tuple[Pictures.Image, Pictures.Image]:
    """A wall with paint on it, and where the paint is."""
    before, mask = (Pictures.open(HERE / name) for name in ("wall.png", "wall-mask.png"))
    return before.crop(SPILL), mask.crop(SPILL)


def unwrapped() -> tuple[Pictures.Image, Pictures.Image]:
    """A texture of cobbles with nothing but pink between its UV islands, and where these are."""
    layout = blank()
    pen = ImageDraw.Draw(layout)
    pen.rectangle((16, 20, 95, 235), fill=255)
    pen.ellipse((106, 16, 210, 120), fill=255)
    pen.polygon(((112, 236), (178, 128), (240, 236)), fill=255)
    return Pictures.composite(cobbles(), Pictures.new("RGB", layout.size, (255, 0, 160)), layout), layout


def from_afar(texture: Pictures.Image, layout: Pictures.Image) -> Pictures.Image:
    """The islands of the texture's third mip-map: each texel the mean of 8 x 8."""
    size = (EDGE // 8, EDGE // 8)
    small = texture.resize(size, Pictures.Resampling.BOX).resize(texture.size, Pictures.Resampling.NEAREST)
    return Pictures.composite(small, Pictures.new("RGB", texture.size, "white"), layout)
