"""Contact sheets: what the models make, to be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from . import dataset, drawings
from .evaluate import HOLE, clear_drawings
from .export import AGREEMENT
from .materials import MATERIALS
from .render import COLOURS, Picture
from .studio import Studio

CHOSEN = ("red", "yellow", "green", "blue", "white", "brown")
FOLDER = Path(__file__).parents[3] / "docs" / "pictures" / "swatch"
GAP, HEAD = 4, 16


def _said(material: int, colour: int) -> str:
    return f"{COLOURS[colour]} {MATERIALS[material].words[0]}"


def sheet(rows: Sequence[Sequence[Picture]], captions: Sequence[Sequence[str]], side: int) -> Image.Image:
    """Rows of pictures, each shrunk to ``side`` with its words above."""
    wide, tall = len(rows[0]) * (side + GAP) + GAP, len(rows) * (side + HEAD + GAP) + GAP
    page = Image.new("RGB", (wide, tall), "white")
    pen = ImageDraw.Draw(page)
    for j, (row, words) in enumerate(zip(rows, captions, strict=True)):
        for i, (picture, word) in enumerate(zip(row, words, strict=True)):
            x, y = GAP + i * (side + GAP), GAP + j * (side + HEAD + GAP)
            pen.text((x + 1, y + 2), word, fill="black")
            small = Image.fromarray(picture).resize((side, side), Image.Resampling.LANCZOS)
            page.paste(small, (x, y + HEAD))
    return page


def _save(page: Image.Image, path: Path) -> None:
    """As JPEG: sheets of hundreds of textures make large PNGs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    page.save(path, quality=82, optimize=True)
    print(f"{path.name}: {path.stat().st_size / 1e3:.0f} kB", flush=True)


def textures(studio: Studio, folder: Path) -> None:
    """All materials × six colours, two materials a row."""
    jobs = [(m, COLOURS.index(c)) for m in range(len(MATERIALS)) for c in CHOSEN]
    made = studio.make([_said(*job) for job in jobs], list(range(len(jobs))))
    across = 2 * len(CHOSEN)
    starts = range(0, len(jobs), across)
    words = [MATERIALS[m].words[0] if k % len(CHOSEN) == 0 else "" for k, (m, _) in enumerate(jobs)]
    rows = [made[k : k + across] for k in starts]
    _save(sheet(rows, [words[k : k + across] for k in starts], 96), folder / "textures.jpg")


def fills(studio: Studio, folder: Path, count: int = 16) -> None:
    """Held-out pictures, the hole, and what came into it: without words, with the picture's, with others.

    "(anew)" stands where the picture's own words were not taken as such.
    """
    pictures, labels = dataset.draw(7, dataset.HELD_OUT, rounds=1)
    rows = np.random.default_rng(5).permutation(len(pictures))[:count]
    mask = np.zeros((256, 256), bool)
    mask[HOLE] = True
    named = [_said(*labels[row][:2]) for row in rows]
    others = [_said((labels[row][0] + 17) % len(MATERIALS), (labels[row][1] + 5) % 12) for row in rows]
    chosen = [pictures[row] for row in rows]
    holed = [np.where(mask[..., None], 127, p).astype(np.uint8) for p in chosen]
    silent = studio.mend([""] * count, chosen, mask, guidance=1.0)
    same, changed = studio.mend(named, chosen, mask), studio.mend(others, chosen, mask)
    gains = studio.agreements(named, chosen, mask)
    said = [name if gain >= AGREEMENT else f"{name} (anew)" for name, gain in zip(named, gains, strict=True)]
    grid, captions = [], []
    for start in range(0, count, 8):
        part = slice(start, start + 8)
        grid += [chosen[part], holed[part], silent[part], same[part], changed[part]]
        none = [""] * len(named[part])
        captions += [named[part], none, ["no words", *none[1:]], said[part], others[part]]
    _save(sheet(grid, captions, 128), folder / "fills.jpg")


def controls(studio: Studio, folder: Path, count: int = 8) -> None:
    """Line drawings and height maps with what was made from them, and the same words alone."""
    chosen = clear_drawings(count)
    words = [_said(*drawn.label[:2]) for drawn in chosen]
    seeds = list(range(900, 900 + len(chosen)))
    lines = [drawings.shown(drawings.outline(d.pattern).astype(np.float32)) for d in chosen]
    maps = [drawings.shown(drawings.height(d.pattern)) for d in chosen]
    # another material than the drawing's own: the structure comes from the drawing alone
    other = [_said((d.label[0] + 17) % len(MATERIALS), (d.label[1] + 5) % 12) for d in chosen]
    rows = [
        lines, studio.follow("lines", words, lines, seeds),
        maps, studio.follow("height", words, maps, seeds),
        studio.follow("height", other, maps, seeds), studio.make(words, seeds),
    ]  # fmt: skip
    blank = [""] * len(chosen)
    captions = [["lines"] * len(chosen), words, ["height"] * len(chosen), words, other, [*blank]]
    captions[-1] = [f"no control: {word}" for word in words]
    _save(sheet(rows, captions, 144), folder / "controls.jpg")


def make(folder: Path | None) -> None:
    """All sheets, into the documentation or another folder."""
    studio = Studio()
    textures(studio, folder or FOLDER)
    fills(studio, folder or FOLDER)
    controls(studio, folder or FOLDER)
