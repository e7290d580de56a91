"""Words for pictures: many ways to say one label, and the list of all words used."""

from __future__ import annotations

import numpy as np

from .dataset import DIRECTIONS, SCALES, STYLES, Label
from .materials import MATERIALS
from .render import COLOURS

SCALE_WORDS: dict[str, tuple[str, ...]] = {
    "small": ("small", "fine", "tiny"),
    "": ("medium",),
    "large": ("large", "big", "coarse"),
}
STYLE_WORDS: dict[str, tuple[str, ...]] = {
    "": ("clean", "photo of"),
    "painted": ("painted", "hand painted", "painterly"),
    "worn": ("worn", "weathered", "dirty", "old"),
    "glossy": ("glossy", "shiny", "wet"),
    "flat": ("flat", "simple"),
}
DIRECTION_WORDS: dict[str, tuple[str, ...]] = {
    "": ("horizontal",),
    "vertical": ("vertical", "upright"),
    "diagonal": ("diagonal", "slanted"),
}
COLOUR_WORDS: dict[str, tuple[str, ...]] = {
    **{colour: (colour,) for colour in COLOURS},
    "teal": ("teal", "turquoise", "cyan"),
    "purple": ("purple", "violet"),
    "grey": ("grey", "gray"),
    "yellow": ("yellow", "golden"),
}
NEAR: dict[str, str] = {
    # masonry
    "stone wall": "cobblestone", "dry stone": "cobblestone", "wall": "brick wall", "masonry": "brick wall",
    "stone": "cobblestone", "stones": "cobblestone", "rock": "cobblestone", "rocks": "cobblestone",
    "boulders": "cobblestone", "pavement": "paving stones", "street": "cobbles", "path": "gravel",
    "ceramic": "tiles", "bathroom": "tiles", "kitchen": "tiles", "roof": "roof tiles", "slate": "shingles",
    "scales": "fish scales", "dragon scales": "fish scales", "hexagon": "hexagons", "hex": "hexagons",
    "beehive": "honeycomb", "floor": "wooden floor", "herringbone": "parquet", "rattan": "wicker",
    "cane": "wicker", "concrete": "cracked earth", "plaster": "crumpled paper",
    # wood and what grows
    "oak": "wood", "pine": "wood", "walnut": "brown wood", "mahogany": "red wood", "bark": "wood grain",
    "plank": "planks", "decking": "wooden planks", "fence": "wooden planks", "barn": "wooden planks",
    "turf": "grass", "field": "grass", "hay": "yellow grass", "straw": "yellow grass", "moss": "green fur",
    "leaf": "leaves", "hedge": "foliage", "ivy": "leaves", "forest": "foliage", "bush": "foliage",
    "coat": "fur", "wolf": "grey fur", "bear": "brown fur", "carpet": "fur",
    # ground, water, sky
    "dune": "sand dunes", "dunes": "sand dunes", "beach": "sand", "desert": "sand dunes", "dirt": "dry mud",
    "soil": "dry mud", "ground": "cracked earth", "earth": "cracked earth", "mud": "dry mud",
    "clay": "dry mud", "pebble": "pebbles", "shingle": "pebbles", "sea": "blue water", "ocean": "blue water",
    "lake": "water", "river": "water", "pool": "pool water", "cloud": "clouds", "fog": "clouds",
    "smoke": "grey clouds", "rain": "water drops", "dew": "drops", "foam": "bubbles", "soap": "bubbles",
    # worked
    "aluminium": "brushed metal", "aluminum": "brushed metal", "chrome": "shiny metal", "iron": "metal",
    "copper": "orange metal", "bronze": "brown metal", "gold": "golden metal", "silver": "grey metal",
    "rust": "worn orange metal", "rusty": "worn orange metal", "tin": "corrugated metal",
    "grille": "wire mesh", "grid": "wire mesh", "chain link": "wire mesh", "fishnet": "net",
    "skin": "leather", "hide": "leather", "suede": "leather", "cardboard": "brown paper",
    "granite": "terrazzo", "confetti": "terrazzo", "fire": "lava", "flames": "lava", "embers": "lava",
    "oil": "oil paint", "paint": "oil paint", "acrylic": "oil paint", "canvas": "brush strokes",
    "aquarelle": "watercolour", "ink": "ink wash",
    # printed and woven
    "check": "checker", "chequered": "checker", "chess": "checkerboard", "chessboard": "checkerboard",
    "stripe": "stripes", "lines": "stripes", "dot": "dots", "spots": "dots", "polka": "polka dots",
    "herring bone": "chevron", "zig zag": "zigzag", "kilt": "tartan", "flannel": "plaid",
    "sweater": "knitted wool", "jumper": "knitted wool", "yarn": "wool", "fabric": "striped fabric",
    "cloth": "striped fabric", "textile": "striped fabric", "church window": "stained glass",
    "glass": "stained glass",
    # colours
    "crimson": "red", "scarlet": "red", "ruby": "red", "maroon": "red", "amber": "orange", "lemon": "yellow",
    "lime": "green", "olive": "green", "emerald": "green", "aqua": "teal", "navy": "blue", "azure": "blue",
    "indigo": "purple", "lilac": "violet", "lavender": "violet", "magenta": "pink", "rose": "pink",
    "tan": "brown", "beige": "brown", "sepia": "brown", "ebony": "black", "ivory": "white", "snow": "white",
    "dark": "black", "bright": "white", "pale": "white",
    # size, style, direction
    "little": "small", "miniature": "tiny", "huge": "large", "giant": "large", "rough": "coarse",
    "aged": "old", "ancient": "old", "rustic": "worn", "grungy": "dirty", "polished": "glossy",
    "lacquered": "glossy", "sketchy": "painted", "cartoon": "flat", "minimal": "simple",
    "tilted": "diagonal", "slanting": "slanted", "tileable": "seamless", "tiling": "seamless",
    "background": "texture", "wallpaper": "pattern",
}  # fmt: skip
"""From words people may well try to the nearest that the model was trained on."""

FILLERS = ("texture", "surface", "material", "pattern", "seamless")


Said = dict[str, int]
"""What a caption says: indices by kind, without those that it leaves out."""


def caption_of(label: Label, rng: np.random.Generator) -> tuple[str, Said]:
    """One caption, such as ``large worn red brick wall`` or ``brick texture, red, small``, and
    what of the label it says."""
    material = MATERIALS[label.material]
    words = material.words
    # the first word is the name most people type
    noun = words[0] if rng.random() < 0.5 else words[int(rng.integers(len(words)))]

    def say(table: dict[str, tuple[str, ...]], key: str, often: float) -> str:
        options = table[key]
        return options[int(rng.integers(len(options)))] if rng.random() < often else ""

    scale, style = SCALES[label.scale], STYLES[label.style]
    direction = DIRECTIONS[label.direction]
    colour = say(COLOUR_WORDS, COLOURS[label.colour], 0.94)
    sized = say(SCALE_WORDS, scale, 0.75 if scale else 0.1)
    styled = say(STYLE_WORDS, style, 0.9 if style else 0.1)
    ways = say(DIRECTION_WORDS, direction, 0.8 if direction else 0.3) if material.directed else ""
    filler = FILLERS[int(rng.integers(len(FILLERS)))] if rng.random() < 0.3 else ""
    if rng.random() < 0.7:
        parts = [sized, styled, ways, colour, noun, filler]
    else:
        parts = [colour, noun, filler, *rng.permutation([sized, styled, ways]).tolist()]
    said: Said = {"material": label.material}
    # the plain middle of each kind is the same as saying nothing
    if colour:
        said["colour"] = label.colour
    if sized and scale:
        said["scale"] = label.scale
    if styled and style:
        said["style"] = label.style
    if ways and direction:
        said["direction"] = label.direction
    return " ".join(part for part in parts if part), said


def caption(label: Label, rng: np.random.Generator) -> str:
    """One caption of a label; see `caption_of`."""
    return caption_of(label, rng)[0]


def vocabulary() -> dict[str, list[str]]:
    """Words the model was trained on, as ``underpaint.json`` lists them."""
    tables = (SCALE_WORDS, STYLE_WORDS, DIRECTION_WORDS)
    words = [word for table in tables for options in table.values() for word in options]
    return {
        "materials": [word for material in MATERIALS for word in material.words],
        "colours": [word for options in COLOUR_WORDS.values() for word in options],
        "words": [*words, *FILLERS],
    }
