"""Paints docs/pictures/conditioning/: for each conditioning a strip, what goes in beside what comes out.

python examples/pictures/conditioning.py [STRIP ...]        # from the checkout, with the model in the box

Every picture has the same seed: the same weights paint the same strips again.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from easel import EDGE, SEED, Easel, Panel, image, picture, save
from inputs import cobbles, disc, drawing, from_afar, hills, left, people, shown, slope, spilt, unwrapped
from PIL import Image as Pictures

import underpaint
from underpaint.cli.connection import connect_or_start
from underpaint.engine.inpaint import fill_hole, mask_bounds, prepare_masks
from underpaint.engine.preprocessors import skeleton
from underpaint.geometry import mask_plan
from underpaint.types import (
    Control,
    LatentsAction,
    LatentsRequest,
    PreprocessRequest,
    Region,
    Tiling,
    UpscaleRequest,
    UvIslands,
)

TARGET = Path(__file__).resolve().parents[2] / "docs" / "pictures" / "conditioning"
MAPS = ("height-map", "normal-map", "roughness-map", "occlusion-map")
FILL_MODES = ("keep", "blur", "neutral", "noise", "border", "continue")

Strip = Callable[[Easel], list[Panel]]
STRIPS: dict[str, Strip] = {}


def strip(make: Strip) -> Strip:
    """Adds a strip to the list, by its function's name with hyphens."""
    STRIPS[make.__name__.replace("_", "-")] = make
    return make


# --8<-- [start:lines]
@strip
def lines(easel: Easel) -> list[Panel]:
    control = Control(image=image(drawing()), role="line-art")
    return [
        ("the drawing", drawing()),
        ("without it", easel.paint("brown wood", guidance_scale=1.5)),
        ("with it", easel.paint("brown wood", guidance_scale=1.5, controls=(control,))),
    ]


# --8<-- [end:lines]
# --8<-- [start:height]
@strip
def height(easel: Easel) -> list[Panel]:
    control = Control(image=image(hills()), role="height")
    return [
        ("the height map", hills()),
        ("without it", easel.paint("golden sand", guidance_scale=1.5)),
        ("with it", easel.paint("golden sand", guidance_scale=1.5, controls=(control,))),
    ]


# --8<-- [end:height]
# --8<-- [start:pose]
@strip
def pose(easel: Easel) -> list[Panel]:
    one, two = people((128, 110, 0.55)), people((80, 110, 0.55), (180, 130, 0.45))
    two[0][skeleton.POINTS.index("right wrist"), 2] = 0.1
    return [
        ("as a net sees a person", shown(skeleton.drawn(one, EDGE, EDGE))),
        ("two, a wrist unseen", shown(skeleton.drawn(two, EDGE, EDGE, least=0.3))),
    ]


# --8<-- [end:pose]
# --8<-- [start:limits]
@strip
def limits(easel: Easel) -> list[Panel]:
    def limited(**limit: object) -> Pictures.Image:
        control = Control(image=image(drawing()), role="line-art", **limit)
        return easel.paint("brown wood", guidance_scale=1.5, controls=(control,))

    return [
        ("the drawing", drawing()),
        ("its mask", left()),
        ("with the mask", limited(mask=image(left()))),
        ("strength=0.7", limited(strength=0.7)),
        ("end=0.6", limited(end=0.6)),
        ("start=0.6", limited(start=0.6)),
    ]


# --8<-- [end:limits]
# --8<-- [start:preprocess]
@strip
def preprocess(easel: Easel) -> list[Panel]:
    before = easel.paint("red brick")
    lines = easel.ask(PreprocessRequest(image=image(before), preprocessor="canny"))
    control = Control(image=image(before), role="canny", preprocessor="canny")
    return [
        ("a picture", before),
        ("its edges, by canny", lines),
        ("another that keeps to them", easel.paint("green leather", guidance_scale=1.5, controls=(control,))),
    ]


# --8<-- [end:preprocess]
# --8<-- [start:regions]
@strip
def regions(easel: Easel) -> list[Panel]:
    parts = (
        Region(prompt="red brick", mask=image(left())),
        Region(prompt="green grass", mask=image(disc())),
    )
    return [
        ("red brick", left()),
        ("green grass", disc()),
        ("brown wood alone", easel.paint("brown wood")),
        ("brown wood, with both", easel.paint("brown wood", regions=parts)),
    ]


# --8<-- [end:regions]
# --8<-- [start:masks]
@strip
def masks(easel: Easel) -> list[Panel]:
    selection = np.asarray(disc(), np.float32) / 255
    made = prepare_masks(selection, mask_plan(mask_bounds(selection), strength=1.0))
    return [
        ("the selection", disc()),
        ("grown", shown(made.grown)),
        ("what the model repaints", shown(made.denoise)),
        ("how much is laid over", shown(made.composite)),
    ]


# --8<-- [end:masks]
# --8<-- [start:fill]
@strip
def fill(easel: Easel) -> list[Panel]:
    return [
        ("the picture", cobbles()),
        ("the selection", disc()),
        ("no words", easel.fill("", cobbles(), disc())),
        ("green grass", easel.fill("green grass", cobbles(), disc())),
    ]


# --8<-- [end:fill]
# --8<-- [start:soft-mask]
@strip
def soft_mask(easel: Easel) -> list[Panel]:
    kept = {"grow": 0.0, "feather": 0.0}
    return [
        ("the picture", cobbles()),
        ("the mask", slope()),
        ("golden leaves", easel.fill("golden leaves", cobbles(), slope(), model="swatch", **kept)),
    ]


# --8<-- [end:soft-mask]
# --8<-- [start:fill-modes]
@strip
def fill_modes(easel: Easel) -> list[Panel]:
    before, mask = spilt()
    rgb, selection = np.float32(before) / 255, np.float32(mask) / 255
    hole = prepare_masks(selection, mask_plan(mask_bounds(selection), strength=0.7)).denoise
    begins, after = [], []
    for mode in FILL_MODES:
        begins.append((mode, shown(fill_hole(rgb, hole, mode, SEED))))
        painted = easel.fill("grey cobblestone", before, mask, model="swatch", strength=0.7, fill_mode=mode)
        after.append(("becomes", painted))
    return [*begins, *after]


# --8<-- [end:fill-modes]
# --8<-- [start:remove]
@strip
def remove(easel: Easel) -> list[Panel]:
    before, mask = spilt()
    after = easel.fill("", before, mask, fill_mode="continue", guidance_scale=1.0)
    return [("the picture", before), ("the selection", mask), ("removed", after)]


# --8<-- [end:remove]
# --8<-- [start:expand]
@strip
def expand(easel: Easel) -> list[Panel]:
    wide = Pictures.new("RGBA", (EDGE + 128, EDGE))
    wide.paste(cobbles(), (0, 0))
    mask = Pictures.new("L", wide.size)
    mask.paste(255, (EDGE, 0, *wide.size))
    after = easel.fill("", wide, mask, grow=65.0, feather=64.0)
    return [("the picture", cobbles()), ("the mask", mask), ("expanded by 128 px", after)]


# --8<-- [end:expand]
# --8<-- [start:tiling]
@strip
def tiling(easel: Easel) -> list[Panel]:
    def repeated(tile: Pictures.Image) -> Pictures.Image:
        return Pictures.fromarray(np.tile(np.asarray(tile), (2, 2, 1)))

    plain = easel.paint("grey cobblestone")
    seamless = easel.paint("grey cobblestone", tiling=Tiling.XY)
    return [
        ("tiling=NONE", plain),
        ("2 x 2 of it", repeated(plain)),
        ("tiling=XY", seamless),
        ("2 x 2 of it", repeated(seamless)),
    ]


# --8<-- [end:tiling]
# --8<-- [start:maps]
@strip
def maps(easel: Easel) -> list[Panel]:
    before = easel.paint("grey cobblestone", tiling=Tiling.XY)
    asked = (PreprocessRequest(image=image(before), preprocessor=name, tiling=Tiling.XY) for name in MAPS)
    return [("the picture", before), *zip(MAPS, map(easel.ask, asked), strict=True)]


# --8<-- [end:maps]
# --8<-- [start:islands]
@strip
def islands(easel: Easel) -> list[Panel]:
    atlas, layout = unwrapped()
    where = UvIslands(mask=image(layout), padding=12)
    plain = easel.fill("green grass", atlas, left(), model="swatch")
    known = easel.fill("green grass", atlas, left(), model="swatch", islands=where)
    return [
        ("the texture", atlas),
        ("its UV islands", layout),
        ("without them", plain),
        ("from afar, on the mesh", from_afar(plain, layout)),
        ("with them", known),
        ("from afar, on the mesh", from_afar(known, layout)),
    ]


# --8<-- [end:islands]
# --8<-- [start:img2img]
@strip
def img2img(easel: Easel) -> list[Panel]:
    return [
        ("the picture", cobbles()),
        *(
            (f"strength={strength}", easel.paint("golden leaves", image=image(cobbles()), strength=strength))
            for strength in (0.3, 0.6, 0.9)
        ),
    ]


# --8<-- [end:img2img]
# --8<-- [start:upscale]
@strip
def upscale(easel: Easel) -> list[Panel]:
    before = easel.paint("grey cobblestone")
    common = {"factor": 2.0, "upscaler": "lanczos", "model": "swatch", "seed": SEED}

    def enlarged(strength: float) -> Pictures.Image:
        request = UpscaleRequest(image=image(before), prompt="grey cobblestone", strength=strength, **common)
        return easel.ask(request).crop((128, 128, 128 + EDGE, 128 + EDGE))

    return [
        ("256 px", before),
        ("the middle of 512 px, scaled", enlarged(0.0)),
        ("denoised in tiles, strength 0.4", enlarged(0.4)),
    ]


# --8<-- [end:upscale]
# --8<-- [start:latents]
@strip
def latents(easel: Easel) -> list[Panel]:
    def use(action: LatentsAction, what: underpaint.Image, **more: object) -> list[underpaint.Image]:
        request = LatentsRequest(action=action, image=what, model="swatch", seed=SEED, **more)
        return easel.results(request)

    half = {"step": 5, "steps": 10, "step_pictures": True}
    (clean,) = use(LatentsAction.ENCODE, image(cobbles()))
    noised, *away = use(LatentsAction.NOISE, clean, **half)
    _, *back = use(LatentsAction.DENOISE, noised, prompt="red brick", **half)
    return [
        ("the picture", cobbles()),
        ("encoded and decoded", picture(away[0])),
        ("with the noise of step 8", picture(away[2])),
        ("with the noise of step 5", picture(away[5])),
        ("on from there: before step 6", picture(back[1])),
        ("before step 8", picture(back[3])),
        ("before step 9", picture(back[4])),
        ("in the end", picture(back[5])),
    ]


# --8<-- [end:latents]


def main(names: list[str]) -> None:
    """Paints the strips that are named; all of them if none is."""
    with connect_or_start() as client:
        easel = Easel(client)
        for name in names or STRIPS:
            save(STRIPS[name](easel), TARGET / f"{name}.jpg")
            print(name)


if __name__ == "__main__":
    main(sys.argv[1:])
