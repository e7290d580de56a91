"""From a colourless `Pattern` to a picture: colour ramps, light from the upper left, style."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .materials.base import Map, Pattern, Rng, noise, sample, step

Picture = NDArray[np.uint8]
"""``[size, size, 3]``, sRGB 0..255."""

RAMPS: dict[str, tuple[tuple[int, int, int], tuple[int, int, int], tuple[int, int, int]]] = {
    "red": ((72, 8, 12), (190, 34, 34), (240, 120, 104)),
    "orange": ((96, 36, 4), (228, 116, 20), (255, 186, 104)),
    "yellow": ((112, 80, 4), (232, 192, 30), (255, 240, 150)),
    "green": ((10, 52, 16), (50, 140, 48), (150, 214, 120)),
    "teal": ((2, 56, 60), (16, 146, 142), (126, 222, 208)),
    "blue": ((10, 20, 84), (38, 84, 196), (132, 180, 248)),
    "purple": ((44, 10, 76), (122, 52, 168), (204, 150, 232)),
    "pink": ((120, 28, 76), (234, 110, 164), (255, 200, 222)),
    "brown": ((40, 20, 8), (116, 70, 36), (188, 142, 98)),
    "black": ((6, 6, 8), (34, 34, 38), (84, 84, 90)),
    "white": ((150, 150, 148), (228, 227, 222), (255, 255, 253)),
    "grey": ((50, 51, 54), (128, 129, 132), (198, 199, 202)),
}
"""Dark, middle and light of each named colour."""

COLOURS: tuple[str, ...] = tuple(RAMPS)

_DARK, _PALE = (52, 48, 46), (238, 234, 224)


@dataclass(frozen=True, slots=True)
class Look:
    """Everything about a picture that is not its structure."""

    colour: str
    style: str = ""
    direction: str = ""


def turn(pattern: Pattern, direction: str) -> Pattern:
    """The structure turned as a direction word says; it still wraps."""

    def one(values: Map) -> Map:
        if direction == "vertical":
            return np.ascontiguousarray(values.T)
        if direction == "diagonal":  # x+y, y−x is an integer map of the torus onto itself
            size = values.shape[0]
            i = np.arange(size)
            down, right = (i[:, None] - i[None, :]) % size, (i[:, None] + i[None, :]) % size
            return np.asarray(values[down, right], np.float32)
        return values

    return Pattern(
        one(pattern.tone), one(pattern.height), one(pattern.line), one(pattern.accent),
        pattern.relief, pattern.gloss,
    )  # fmt: skip


def _ramp(colour: str, tone: Map, rng: Rng) -> NDArray[np.float32]:
    stops = np.asarray(RAMPS[colour], np.float32)
    stops = stops + rng.normal(0, 5, 3).astype(np.float32) * (1.0 if colour != "white" else 0.3)
    t = np.clip(tone, 0, 1)[..., None]
    low = stops[0] + (stops[1] - stops[0]) * np.minimum(t * 2, 1)
    return np.asarray(low + (stops[2] - stops[1]) * np.maximum(t * 2 - 1, 0), np.float32)


def accent_colour(kind: str, colour: str, rng: Rng) -> NDArray[np.float32]:
    """The second colour of a material, chosen so that it stays apart from the first."""
    pale = np.asarray(_PALE, np.float32)
    dark = np.asarray(_DARK, np.float32)
    light_main = colour in ("white",)
    if kind == "white":
        choice = pale + 8 if not light_main else np.asarray((150, 190, 220), np.float32)
    elif kind == "mortar":
        choice = dark + 60 if colour in ("white", "yellow") else pale - 40
        choice = pale - 40 if colour == "black" else choice
        if colour == "grey":
            choice = dark + 10 if rng.random() < 0.5 else pale - 10
    elif kind == "pale":
        choice = dark + 60 if light_main else pale
    elif kind == "dark":
        choice = dark - 32 if colour != "black" else dark + 130
    elif kind == "contrast":
        choice = dark + 20 if colour not in ("black", "brown", "purple", "blue") else pale - 20
    else:
        choice = pale - 60 if colour in ("black", "brown", "grey") else dark + 20
    return np.asarray(np.clip(choice + rng.normal(0, 5, 3), 0, 255), np.float32)


def _light(height: Map, relief: float) -> tuple[Map, Map]:
    """Diffuse light (1 = flat ground) and a glint map 0..1, from the upper left."""
    k = 9.0 * relief
    nx = (np.roll(height, 1, 1) - np.roll(height, -1, 1)) * k
    ny = (np.roll(height, 1, 0) - np.roll(height, -1, 0)) * k
    length = np.sqrt(nx * nx + ny * ny + 1.0)
    lx, ly, lz = -0.45, -0.55, 0.70
    diffuse = (nx * lx + ny * ly + lz) / length / lz
    half = np.clip((nx * -0.24 + ny * -0.30 + 0.92) / length, 0, 1)
    glint = np.asarray(half**40, np.float32)
    return np.asarray(np.clip(diffuse, 0.0, 1.5), np.float32), glint


def paint(pattern: Pattern, kind: str, look: Look, rng: Rng) -> Picture:
    """The picture of a structure. ``kind`` names how the second colour is chosen."""
    tone, height, accent = pattern.tone, pattern.height, pattern.accent
    relief, gloss = pattern.relief, pattern.gloss
    if look.style == "painted":  # loose edges, few tones, visible strokes
        x, y = (np.indices(tone.shape, dtype=np.float32) + 0.5) / tone.shape[0]
        dx, dy = 0.012 * noise(rng, 14), 0.012 * noise(rng, 14)
        tone, height, accent = (sample(m, y + dx, x + dy) for m in (tone, height, accent))
        tone = (0.35 * tone + 0.65 * np.round(tone * 4) / 4).astype(np.float32)
        tone = tone + 0.06 * noise(rng, 30, stretch=(0.3, 1.0))
    elif look.style == "worn":
        dirt = step(0.0, 1.6, noise(rng, 5, octaves=4.0))
        tone = tone * (1 - 0.5 * dirt)
        accent = accent * (1 - 0.35 * dirt)
    colour = _ramp(look.colour, tone, rng)
    second = accent_colour(kind, look.colour, rng) * (0.9 + 0.2 * np.clip(tone, 0, 1)[..., None])
    mix = accent[..., None]
    colour = (colour * (1 - mix) + second * mix).astype(np.float32)
    if look.style == "flat":
        relief, gloss = 0.0, 0.0
    if look.style == "glossy":
        gloss = max(gloss, 0.9) + 0.2
    light, glint = _light(height, relief)
    if look.style == "painted":
        light = np.asarray(0.6 + 0.4 * light, np.float32)
    colour = colour * (0.25 + 0.75 * light[..., None])
    colour += 150.0 * gloss * (glint * np.clip(light - 1.0, 0, 1) * 3.0)[..., None]
    colour *= rng.uniform(0.94, 1.06)
    return np.clip(colour, 0, 255).astype(np.uint8)
