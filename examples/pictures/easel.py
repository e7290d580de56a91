"""Asks a daemon for pictures, as Pillow has them, and lays them side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image as Pictures
from PIL import ImageDraw, ImageFont

import underpaint
from underpaint.types import MASK_FORMAT, Alpha, Channels, PixelFormat, Request, ResultForm

RGB = PixelFormat(Channels.RGB, alpha=Alpha.NONE)
EDGE = 256
"""What the model in the box is made for."""
SEED = 1

Panel = tuple[str, Pictures.Image]
"""A caption and what it is about."""

WIDTH, GAP, CAPTION = 900, 8, 20
TALLEST = 296
MOST = 6
"""Panels of a row."""
LARGEST = 62_000
"""Bytes of a file: all strips together shall stay below a megabyte."""
QUALITIES = range(88, 30, -4)


def image(picture: Pictures.Image) -> underpaint.Image:
    """For a request: grey ones are masks, all others have colours."""
    if picture.mode == "L":
        return underpaint.Image(*picture.size, picture.tobytes(), MASK_FORMAT)
    if picture.mode == "RGBA":
        return underpaint.Image(*picture.size, picture.tobytes())
    return underpaint.Image(*picture.size, picture.convert("RGB").tobytes(), RGB)


def picture(image: underpaint.Image) -> Pictures.Image:
    """Of a result in `RGB`."""
    return Pictures.frombytes("RGB", (image.width, image.height), bytes(image.data))


class Easel:
    """One connection; every picture has the same seed unless a strip says another."""

    def __init__(self, client: underpaint.Client) -> None:
        self._client = client

    def results(self, request: Request) -> list[underpaint.Image]:
        """Of a job, which is then forgotten. Raises what the job ended with."""
        job = self._client.submit(request)
        job.wait()
        found = job.fetch()
        job.delete()
        return found

    def ask(self, request: Request) -> Pictures.Image:
        """The picture of a job that makes one."""
        (found,) = self.results(request)
        return picture(found)

    def paint(self, prompt: str, **more: Any) -> Pictures.Image:
        """From words, or from `image`; the fields of `GenerateRequest`."""
        size = {} if "image" in more else {"width": EDGE, "height": EDGE}
        asked = {"model": "swatch", "seed": SEED, "output": RGB, **size, **more}
        return self.ask(underpaint.GenerateRequest(prompt=prompt, **asked))

    def fill(self, prompt: str, before: Pictures.Image, mask: Pictures.Image, **more: Any) -> Pictures.Image:
        """The whole picture after inpainting, with the model for it unless `model` says another."""
        asked = {"model": "swatch-inpaint", "form": ResultForm.MERGED, **more}
        return self.paint(prompt, image=image(before), mask=image(mask), **asked)


def row(panels: Sequence[Panel]) -> Pictures.Image:
    """All of one height, with their captions, `WIDTH` wide unless that would make them too tall."""
    room = WIDTH - GAP * (len(panels) - 1)
    height = min(TALLEST, int(room / sum(one.width / one.height for _, one in panels)))
    sheet = Pictures.new("RGB", (WIDTH, height + CAPTION), "white")
    pen, font, x = ImageDraw.Draw(sheet), ImageFont.load_default(13), 0
    for caption, one in panels:
        width = round(height * one.width / one.height)
        scaled = one.convert("RGB").resize((width, height), Pictures.Resampling.LANCZOS)
        pen.text((x + 1, 2), caption, fill="black", font=font)
        sheet.paste(scaled, (x, CAPTION))
        # A white mask on a white page has no edge of its own.
        pen.rectangle((x, CAPTION, x + width - 1, CAPTION + height - 1), outline="grey")
        x += width + GAP
    return sheet


def lay(panels: Sequence[Panel]) -> Pictures.Image:
    """Rows of the same number of panels, `MOST` at most."""
    columns = -(-len(panels) // -(-len(panels) // MOST))
    rows = [row(panels[first : first + columns]) for first in range(0, len(panels), columns)]
    sheet = Pictures.new("RGB", (WIDTH, sum(one.height for one in rows)), "white")
    y = 0
    for one in rows:
        sheet.paste(one, (0, y))
        y += one.height
    return sheet


def save(panels: Sequence[Panel], target: Path) -> None:
    """As JPEG, as good as `LARGEST` allows."""
    sheet = lay(panels)
    target.parent.mkdir(parents=True, exist_ok=True)
    for quality in QUALITIES:
        sheet.save(target, quality=quality, optimize=True)
        if target.stat().st_size <= LARGEST:
            return
