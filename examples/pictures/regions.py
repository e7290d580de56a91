"""Paints docs/pictures/regions.jpg: one picture with different words in its parts, three times.

And regions-negative.jpg: two pictures, each alone and with something that its left half avoids.

python examples/pictures/regions.py        # with the model in the box
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image as Pictures
from PIL import ImageDraw

import underpaint
from underpaint.types import MASK_FORMAT

EDGE = 256
OUT = Path(__file__).resolve().parents[2] / "docs" / "pictures"


def disc() -> Pictures.Image:
    """White on black."""
    mask = Pictures.new("L", (EDGE, EDGE))
    ImageDraw.Draw(mask).ellipse((58, 58, 198, 198), fill=255)
    return mask


def left() -> Pictures.Image:
    """Its left half is white."""
    mask = Pictures.new("L", (EDGE, EDGE))
    mask.paste(255, (0, 0, EDGE // 2, EDGE))
    return mask


def region(prompt: str, mask: Pictures.Image, negative: str = "") -> underpaint.Region:
    """Where the mask is white."""
    image = underpaint.Image(EDGE, EDGE, mask.tobytes(), MASK_FORMAT)
    return underpaint.Region(prompt=prompt, mask=image, negative_prompt=negative)


def main() -> None:
    """Writes the pictures side by side."""
    words = [
        ("grey cobblestone", (region("green grass", disc()),)),
        ("grey cobblestone", (region("red brick", disc()),)),
        ("brown wood", (region("red brick", left()), region("green grass", disc()))),
    ]
    avoided = [
        ("leaves", ()),
        ("leaves", (region("leaves", left(), "green leaves"),)),
        ("painted wall", ()),
        ("painted wall", (region("painted wall", left(), "blue"),)),
    ]
    paint(words, OUT / "regions.jpg")
    paint(avoided, OUT / "regions-negative.jpg")


def paint(wanted: Sequence[tuple[str, tuple[underpaint.Region, ...]]], out: Path) -> None:
    """Writes pictures of a prompt and regions side by side."""
    sheet = Pictures.new("RGB", (len(wanted) * EDGE, EDGE))
    with underpaint.connect() as client:
        for column, (prompt, regions) in enumerate(wanted):
            request = underpaint.GenerateRequest(
                prompt=prompt, model="swatch", width=EDGE, height=EDGE, seed=1, regions=regions
            )
            job = client.submit(request)
            job.wait()
            (image,) = job.fetch()
            picture = Pictures.frombytes("RGB", (EDGE, EDGE), bytes(image.data))
            sheet.paste(picture, (column * EDGE, 0))
    sheet.save(out, quality=85, optimize=True)


if __name__ == "__main__":
    main()
