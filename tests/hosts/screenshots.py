"""Pictures for the documentation, taken in the real Krita, GIMP and Blender.

    python -m tests.hosts.screenshots [krita] [gimp] [blender] [sheet]

Each host opens a painting, fills a hole with the default model, and shows its panel and the result layer. The
model is the embedded one where it is installed, else a tiny one, which paints noise.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image as Pictures

from tests.hosts import rootfs
from tests.hosts.programs import CHECKOUT
from tests.hosts.sandbox import HostSandbox
from tests.support.installation import Installation
from underpaint.cli import packaging

SCRIPTS = Path(__file__).parent / "scripts"
TARGET = CHECKOUT / "docs" / "pictures"
WALL = CHECKOUT / "examples" / "pictures" / "wall.png"
MASK = CHECKOUT / "examples" / "pictures" / "wall-mask.png"
EMBEDDED = CHECKOUT / "sdk" / "swatch" / "underpaint_swatch" / "models"
PROMPT, SEED = "", 8  # without words a hole goes on with what is around it
PARTS = ("krita", "gimp", "blender", "sheet")
LARGEST = 400_000


def models(folder: Path) -> Path:
    """The root of the models to paint with."""
    if (EMBEDDED / "swatch" / "model_index.json").exists():
        return EMBEDDED
    from tests.tiny_models import build_tiny  # torch takes seconds to import

    build_tiny(folder / "tiny")
    build_tiny(folder / "tiny-inpaint", kind="sd15-inpaint", shared_from="../tiny")
    return folder


def save(picture: Pictures.Image, target: Path) -> None:
    """As PNG, with fewer colours where it would be too large for a repository."""
    target.parent.mkdir(parents=True, exist_ok=True)
    picture.save(target, optimize=True)
    for colours in (256, 128, 64):
        if target.stat().st_size <= LARGEST:
            return
        picture.quantize(colours, dither=Pictures.Dither.NONE).save(target, optimize=True)


def show(name: str, sandbox: HostSandbox, folder: Path, installation: Installation) -> dict[str, Any]:
    """Opens a host with its plug-in, lets it fill the hole, and brings the picture here."""
    archive = packaging.build(name, folder)
    if name == "blender":
        sandbox.install_blender_extension(archive)
    else:
        packaging.install(name, archive, home=sandbox.home, environ=sandbox.environ_outside)
    options: dict[str, Any] = {"environ": installation.places}
    options |= {"plugins": ("underpaint_krita",)} if name == "krita" else {"window": True}
    mask = folder / "wall-mask.png"
    if name != "blender":
        mask = folder / "mask.gray"
        with Pictures.open(MASK) as picture:
            mask.write_bytes(picture.convert("L").tobytes())
    with getattr(sandbox, f"open_{name}")(**options) as host:
        values: dict[str, Any] = host.run(
            SCRIPTS / f"shows_{name}.py",
            timeout=400,
            painting=str(folder / "wall.png"),
            mask=str(mask),
            prompt=PROMPT,
            seed=SEED,
        )
    with Pictures.open(values["picture"]) as picture:
        save(picture.convert("RGB"), TARGET / f"{name}.png")
    return values


def sheet(folder: Path, installation: Installation) -> None:
    """Before, mask and after, side by side."""
    after = folder / "after.png"
    installation.json(
        "inpaint", str(WALL), PROMPT, "--mask", str(MASK), "--seed", str(SEED), "-o", str(after)
    )
    pictures = [Pictures.open(file).convert("RGB") for file in (WALL, MASK, after)]
    width, height = pictures[0].size
    made = Pictures.new("RGB", (3 * width + 32, height), "white")
    for column, picture in enumerate(pictures):
        made.paste(picture, (column * (width + 16), 0))
    save(made, TARGET / "before-mask-after.png")


def main(parts: list[str]) -> None:
    """Takes the pictures that are asked for; all of them if none is."""
    with tempfile.TemporaryDirectory(prefix="underpaint-pictures-") as name:
        folder = Path(name)
        (folder / "state").mkdir()
        for file in (WALL, MASK):
            (folder / file.name).write_bytes(file.read_bytes())
        with HostSandbox(rootfs.build(), folder / "sandbox") as sandbox:
            sandbox.bind(folder)
            installation = Installation(folder, sandbox.runtime, models(folder / "models"))
            installation.serve()
            try:
                for part in parts or PARTS:
                    if part == "sheet":
                        sheet(folder, installation)
                    else:
                        print(part, show(part, sandbox, folder, installation)["layers"])
            finally:
                installation.close()


if __name__ == "__main__":
    main(sys.argv[1:])
