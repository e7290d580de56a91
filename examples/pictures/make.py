"""Paints wall.png, a cobbled wall that somebody has spilled paint on, and wall-mask.png, what to repaint.

python examples/pictures/make.py        # from the checkout, which has the generators of sdk/swatch/training
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "sdk" / "swatch"))

from training.materials import BY_NAME  # noqa: E402 - the path comes first
from training.render import Look, paint  # noqa: E402

WIDTH, HEIGHT = 384, 320
SEED = 4
SPILL = (118, 142, 20)


def wall() -> Image.Image:
    """Grey cobbles; the tile of 256 px wraps."""
    rng = np.random.default_rng(SEED)
    cobbles = BY_NAME["cobblestone"]
    tile = paint(cobbles.make(rng, 1), cobbles.accent, Look("grey"), rng)
    return Image.fromarray(np.tile(tile, (2, 2, 1))[:HEIGHT, :WIDTH])


def spill() -> Image.Image:
    """Coverage of a splash with drips."""
    rng = np.random.default_rng(SEED)
    shape = Image.new("L", (WIDTH, HEIGHT))
    pen = ImageDraw.Draw(shape)
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    reach = 46 + 9 * np.sin(angles * 3 + 1) + rng.normal(0, 5, len(angles))
    splash = zip(angles, reach, strict=True)
    pen.polygon([(185 + 1.25 * r * np.cos(a), 128 + r * np.sin(a)) for a, r in splash], fill=255)
    for x, length, width in ((150, 62, 5), (178, 96, 7), (199, 74, 5), (222, 50, 4)):
        pen.line((x, 140, x, 140 + length), fill=255, width=width)
        pen.ellipse((x - width, 136 + length, x + width, 142 + length + width), fill=255)
    for x, y, radius in ((110, 92, 6), (258, 88, 5), (264, 150, 4), (122, 172, 5)):
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    return shape.filter(ImageFilter.GaussianBlur(1.2))


def main() -> None:
    """Writes both beside this file."""
    before, covered = wall(), spill()
    light = covered.filter(ImageFilter.GaussianBlur(5)).point(lambda value: value // 4)
    wet = Image.composite(
        Image.new("RGB", before.size, SPILL), Image.new("RGB", before.size, (0, 0, 0)), covered
    )
    before = Image.composite(ImageChops.add(wet, Image.merge("RGB", [light] * 3)), before, covered)
    before.save(HERE / "wall.png", optimize=True)
    # Where the stones are hidden, and a little around it.
    grown = covered.filter(ImageFilter.MaxFilter(9)).point(lambda value: 255 if value > 30 else 0)
    grown.save(HERE / "wall-mask.png", optimize=True)


if __name__ == "__main__":
    main()
