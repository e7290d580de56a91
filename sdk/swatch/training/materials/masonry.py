"""Laid materials: brick, tiles, hexagons, cobbles, shingles, parquet, basket weave, rubble.

``scale`` is 0 small, 1 middle, 2 large throughout.
"""

from __future__ import annotations

import numpy as np

from .base import Map, Material, Pattern, Rng, grid, noise, per_cell, step, worley


def _box(u: Map, v: Map, aspect: float) -> Map:
    """Distance to the nearest edge of unit cells ``aspect`` times as wide as high, in
    cell heights."""
    du = 0.5 - np.abs(u - np.floor(u) - 0.5)
    dv = 0.5 - np.abs(v - np.floor(v) - 0.5)
    return np.asarray(np.minimum(du * aspect, dv), np.float32)


def _joint(distance: Map, width: float) -> Map:
    return step(width, width * 0.4, distance)


def brick(rng: Rng, scale: int) -> Pattern:
    """Running bond: each course is moved by half a brick."""
    rows = (16, 8, 4)[scale]
    columns = rows // 2
    x, y = grid()
    wobble = 0.025 * noise(rng, rows, octaves=1.0)
    v = y * rows + wobble
    course = np.floor(v).astype(np.int32) % rows
    u = x * columns + 0.5 * (course % 2) + 0.5 * wobble
    ids = course * columns + np.floor(u).astype(np.int32) % columns
    joint = _joint(_box(u, v, 2.0), rng.uniform(0.09, 0.13))
    grain = noise(rng, 40)
    tone = 0.25 + 0.5 * per_cell(rng, ids, rows * columns) + 0.07 * grain
    height = (1 - joint) * (0.9 + 0.02 * grain)
    return Pattern(tone, height, joint, joint, relief=1.1)


def tiles(rng: Rng, scale: int) -> Pattern:
    """Square glazed tiles with pale grout."""
    n = (8, 4, 3)[scale]
    x, y = grid()
    u, v = x * n, y * n
    ids = (np.floor(v) * n + np.floor(u)).astype(np.int32)
    edge = _box(u, v, 1.0)
    joint = _joint(edge, 0.035 + 0.006 * n)
    tone = 0.45 + 0.3 * per_cell(rng, ids, n * n) + 0.04 * noise(rng, 6)
    height = (1 - joint) * (0.7 + 0.3 * step(0.0, 0.2, edge))
    return Pattern(tone, height, joint, joint, relief=0.8, gloss=0.7)


def hexagons(rng: Rng, scale: int) -> Pattern:
    """Honeycomb of hexagonal tiles; the vertical squeeze of 1.03 lets it wrap."""
    n = (10, 6, 4)[scale]
    rows = n  # rows of pairs: n * 1.1547 / 2 pairs would be regular; n/2 each way wraps
    x, y = grid()
    u, v = x * n, y * rows / 2 * 1.0
    ratio = 2.0 * 0.57735 * 1.0
    best = np.full(x.shape, 9.0, np.float32)
    second = best.copy()
    ids = np.zeros(x.shape, np.int32)
    for k, (ou, ov) in enumerate(((0.0, 0.0), (0.5, 0.5))):
        cu, cv = np.round(u - ou), np.round(v - ov)
        for i in (-1, 0, 1):
            du = u - ou - cu - i
            dv = (v - ov - cv) * (2.0 / ratio)
            d = np.sqrt(du * du + dv * dv)
            closer = d < best
            second = np.where(closer, best, np.minimum(second, d))
            best = np.where(closer, d, best)
            number = (((cv % (rows // 2)) * n + (cu + i) % n) * 2 + k).astype(np.int32)
            ids = np.where(closer, number, ids)
    edge = (second - best).astype(np.float32)
    joint = _joint(edge, 0.14)
    tone = 0.35 + 0.45 * per_cell(rng, ids, 2 * n * rows) + 0.04 * noise(rng, 30)
    height = (1 - joint) * (0.8 + 0.2 * step(0.1, 0.5, edge))
    return Pattern(tone, height, joint, joint, relief=0.9, gloss=0.3)


def cobblestone(rng: Rng, scale: int) -> Pattern:
    """Rounded stones with dark gaps."""
    n = (14, 8, 5)[scale]
    cells = worley(rng, n, jitter=0.55, warp=0.12)
    edge = cells.far - cells.near
    gap = step(0.22, 0.06, edge)
    grain = noise(rng, 36)
    tone = 0.3 + 0.4 * per_cell(rng, cells.ids, n * n) + 0.08 * grain
    height = step(-0.1, 0.8, edge) * 0.95 + 0.012 * grain
    return Pattern(tone * (1 - 0.85 * gap), height, gap, 0 * gap, relief=1.6)


def shingles(rng: Rng, scale: int) -> Pattern:
    """Rows of rounded scales, each lying on the row below."""
    n = (12, 8, 4)[scale]
    x, y = grid()
    best = np.full(x.shape, -1.0, np.float32)
    tone = np.zeros_like(best)
    height, line = tone.copy(), tone.copy()
    shades = rng.random((n, n), dtype=np.float32)
    for back in (1, 0):  # a row hangs over the one below it, so it is drawn first
        row = np.floor(y * n).astype(np.int32) - back
        shift = 0.5 * (row % 2)
        u = x * n + shift
        column = np.floor(u).astype(np.int32)
        fu, fv = u - column - 0.5, y * n - row
        length = 0.95 + 0.75 * np.sqrt(np.clip(1 - (2 * fu) ** 2 * 0.97, 0, 1))
        inside = (fv < length) & (best < 0)
        edge = np.clip((length - fv) * 1.0, 0, 1)
        tone = np.where(inside, 0.3 + 0.45 * shades[row % n, column % n], tone)
        height = np.where(inside, 0.25 + 0.7 * (fv / 1.7), height)
        line = np.where(inside, step(0.2, 0.03, edge.astype(np.float32)), line)
        best = np.where(inside, 1.0, best)
    tone = (tone + 0.05 * noise(rng, 30)) * (1 - 0.55 * line)
    f32 = np.float32
    return Pattern(tone.astype(f32), height.astype(f32), line.astype(f32), 0 * best, relief=1.2)


def parquet(rng: Rng, scale: int) -> Pattern:
    """Herringbone-like parquet: square blocks of slats, turned by turns."""
    n = (8, 4, 2)[scale]
    slats = 4
    x, y = grid()
    u, v = x * n, y * n
    bu, bv = np.floor(u).astype(np.int32), np.floor(v).astype(np.int32)
    turned = (bu + bv) % 2 == 0
    along = np.where(turned, u - bu, v - bv)
    across = np.where(turned, v - bv, u - bu) * slats
    slat = np.floor(across).astype(np.int32)
    ids = ((bv % n) * n + bu % n) * slats + slat
    edge = np.minimum(0.5 - np.abs(across - slat - 0.5), (0.5 - np.abs(along - 0.5)) * slats)
    gap = step(0.12, 0.03, edge.astype(np.float32))
    streak_x = noise(rng, 24, stretch=(0.12, 1.0))
    streak_y = noise(rng, 24, stretch=(1.0, 0.12))
    tone = 0.3 + 0.4 * per_cell(rng, ids, n * n * slats)
    tone = tone + 0.1 * np.where(turned, streak_x, streak_y)
    return Pattern(tone * (1 - 0.7 * gap), 1 - gap, gap, 0 * gap, relief=0.6, gloss=0.3)


def basket(rng: Rng, scale: int) -> Pattern:
    """Broad strips woven over and under."""
    n = (16, 8, 4)[scale]
    x, y = grid()
    u, v = x * n, y * n
    iu, iv = np.floor(u), np.floor(v)
    fu, fv = u - iu - 0.5, v - iv - 0.5
    over = (iu + iv) % 2 == 0
    across, along = np.where(over, fv, fu), np.where(over, fu, fv)
    strip = np.sqrt(np.clip(1 - (across * 2.05) ** 2, 0, 1))
    bend = np.cos(along * np.pi)
    height = (strip * (0.35 + 0.65 * bend)).astype(np.float32)
    fibre = np.where(over, noise(rng, 60, stretch=(0.1, 1)), noise(rng, 60, stretch=(1, 0.1)))
    gap = step(0.45, 0.1, height)
    tone = 0.2 + 0.6 * height + 0.07 * fibre
    return Pattern((tone * (1 - 0.6 * gap)).astype(np.float32), height, gap, 0 * gap, relief=1.0)


MATERIALS = (
    Material("brick", ("brick", "bricks", "brick wall"), brick, accent="mortar"),
    Material("tiles", ("tiles", "tile", "tiled floor"), tiles, accent="mortar"),
    Material("hexagons", ("hexagons", "hexagon tiles", "honeycomb"), hexagons, accent="mortar"),
    Material("cobblestone", ("cobblestone", "cobbles", "paving stones"), cobblestone),
    Material("shingles", ("shingles", "roof tiles", "fish scales"), shingles),
    Material("parquet", ("parquet", "wooden floor"), parquet),
    Material("basket", ("basket weave", "wicker", "basket"), basket),
)
