"""Printed and woven patterns: checker, stripes, dots, chevron, plaid, knit, canvas, mosaic."""

from __future__ import annotations

import numpy as np

from .base import Material, Pattern, Rng, grid, noise, per_cell, rim, step, worley


def checker(rng: Rng, scale: int) -> Pattern:
    """Squares of the main and the second colour by turns."""
    n = (16, 8, 4)[scale]
    x, y = grid()
    wave = np.sin(x * n * np.pi) * np.sin(y * n * np.pi)
    accent = step(-0.04, 0.04, wave.astype(np.float32))
    cloth = noise(rng, 50)
    return Pattern(0.6 + 0.05 * cloth, 0.5 + 0.03 * cloth, rim(accent), accent, relief=0.08)


def stripes(rng: Rng, scale: int) -> Pattern:
    """Even bands along x (turned by the direction words)."""
    n = (16, 8, 4)[scale]
    _, y = grid()
    accent = step(-0.08, 0.08, np.sin(y * n * 2 * np.pi).astype(np.float32))
    cloth = noise(rng, 50)
    return Pattern(0.6 + 0.05 * cloth, 0.5 + 0.03 * cloth, rim(accent), accent, relief=0.08)


def dots(rng: Rng, scale: int) -> Pattern:
    """Round dots of the main colour in a diamond lattice on the second colour."""
    n = (12, 8, 4)[scale]
    x, y = grid()
    u, v = x * n, y * n
    row = np.floor(v)
    fu = u + 0.5 * (row % 2)
    d = np.hypot(fu - np.floor(fu) - 0.5, v - row - 0.5).astype(np.float32)
    radius = rng.uniform(0.33, 0.38)
    accent = step(radius - 0.02, radius + 0.06, d)
    cloth = noise(rng, 50)
    return Pattern(0.6 + 0.04 * cloth, 0.5 + 0.03 * cloth, rim(accent), accent, relief=0.08)


def chevron(rng: Rng, scale: int) -> Pattern:
    """Zigzag bands."""
    n = (16, 8, 4)[scale]
    x, y = grid()
    fold = np.abs((x * n / 2) % 1.0 - 0.5) * 2.0
    wave = np.sin((y * n / 2 + fold * 0.5) * 2 * np.pi)
    accent = step(-0.12, 0.12, wave.astype(np.float32))
    cloth = noise(rng, 50)
    return Pattern(0.6 + 0.05 * cloth, 0.5 + 0.03 * cloth, rim(accent), accent, relief=0.08)


def plaid(rng: Rng, scale: int) -> Pattern:
    """Crossing bands of different depth, with a twill, as in tartan."""
    n = (8, 4, 2)[scale]
    x, y = grid()

    def sett(t: np.ndarray) -> np.ndarray:
        f = (t * n) % 1.0
        broad = ((f > 0.1) & (f < 0.5)).astype(np.float32)
        thin = ((f > 0.72) & (f < 0.80)).astype(np.float32)
        return broad * 0.6 + thin

    a, b = sett(x), sett(y)
    twill = (np.sin((x + y) * 64 * np.pi) > 0).astype(np.float32)
    tone = 0.78 - 0.32 * (a > 0.3) * (a < 0.9) - 0.32 * (b > 0.3) * (b < 0.9)
    accent = np.clip((a > 0.9) * (0.4 + 0.4 * twill) + (b > 0.9) * (0.8 - 0.4 * twill), 0, 0.9)
    tone = (tone + 0.04 * (twill - 0.5)).astype(np.float32)
    return Pattern(tone, 0.5 + 0.03 * twill, rim(tone, 2.0), accent.astype(np.float32), relief=0.08)


def knit(rng: Rng, scale: int) -> Pattern:
    """Columns of V stitches in thick yarn."""
    n = (16, 8, 4)[scale]
    x, y = grid()
    fu = (x * n) % 1.0 - 0.5
    side = np.abs(fu) * 2
    v = y * n * 1.5 if (n * 3) % 2 == 0 else y * n
    fv = (v + side * 0.75) % 1.0 - 0.5
    yarn = np.clip(1 - (fv * 2.0) ** 2, 0, 1) * np.clip(1 - (side * 2 - 1.0) ** 2 * 0.9, 0, 1)
    yarn = np.sqrt(yarn).astype(np.float32)
    fuzz = noise(rng, 60)
    tone = 0.12 + 0.7 * yarn + 0.06 * fuzz
    return Pattern(tone, yarn, step(0.45, 0.1, yarn), 0 * yarn, relief=0.9)


def mosaic(rng: Rng, scale: int) -> Pattern:
    """Irregular glass pieces with dark lead between them."""
    n = (10, 7, 4)[scale]
    cells = worley(rng, n, jitter=0.95)
    edge = cells.far - cells.near
    lead = step(0.1, 0.05, edge)
    tone = 0.25 + 0.7 * per_cell(rng, cells.ids, 997) + 0.03 * noise(rng, 20)
    return Pattern(tone * (1 - 0.95 * lead), (1 - lead) * 0.8, lead, 0 * lead, relief=0.6, gloss=0.6)


MATERIALS = (
    Material("checker", ("checker", "checkerboard", "squares"), checker, accent="pale"),
    Material("stripes", ("stripes", "striped fabric"), stripes, True, accent="pale"),
    Material("dots", ("dots", "polka dots", "dotted fabric"), dots, accent="pale"),
    Material("chevron", ("chevron", "zigzag"), chevron, True, accent="pale"),
    Material("plaid", ("plaid", "tartan"), plaid, accent="pale"),
    Material("knit", ("knit", "knitted wool", "wool"), knit),
    Material("mosaic", ("mosaic", "stained glass"), mosaic),
)
