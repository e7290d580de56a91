"""Fills a hole in a picture and lays before, mask and after side by side.

    python examples/01_fill_a_hole.py [FOLDER]

Without a prompt, what is around the hole goes on in it. The first run starts the daemon and loads the model;
both stay, so that the next run is quick.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from PIL import Image as Pictures
from rich.progress import Progress

import underpaint
from underpaint.cli.connection import connect_or_start
from underpaint.types import MASK_FORMAT, Alpha, Channels, PixelFormat, ResultForm

HERE = Path(__file__).resolve().parent
RGB = PixelFormat(Channels.RGB, alpha=Alpha.NONE)


def main(folder: Path) -> None:
    began = time.monotonic()
    before = Pictures.open(HERE / "pictures" / "wall.png").convert("RGB")
    mask = Pictures.open(HERE / "pictures" / "wall-mask.png").convert("L")
    request = underpaint.GenerateRequest(
        seed=8,
        image=underpaint.Image(*before.size, before.tobytes(), RGB),
        mask=underpaint.Image(*mask.size, mask.tobytes(), MASK_FORMAT),
        output=RGB,
        form=ResultForm.MERGED,
    )
    with connect_or_start() as client, Progress() as progress:
        models = client.models()
        bar = progress.add_task(f"{models.default_inpaint_model} goes on with the wall", total=1.0)
        job = client.submit(request)
        job.wait(on_update=lambda update: progress.update(bar, completed=update.progress.fraction))
        (result,) = job.fetch()
        after = Pictures.frombytes("RGB", (result.width, result.height), bytes(result.data))
        job.delete()
    folder.mkdir(parents=True, exist_ok=True)
    after.save(folder / "after.png")
    sheet = Pictures.new("RGB", (before.width * 3 + 32, before.height), "white")
    for column, picture in enumerate((before, mask, after)):
        sheet.paste(picture, (column * (before.width + 16), 0))
    sheet.save(folder / "before-mask-after.png")
    print(f"{folder / 'before-mask-after.png'} in {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "out"))
