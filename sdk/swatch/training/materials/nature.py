"""Grown and weathered materials: wood, bark, grass, leaves, sand, pebbles, water and sky."""

from __future__ import annotations

import numpy as np

from .base import Map, Material, Pattern, Rng, grid, noise, per_cell, sample, step, unit, worley


def planks(rng: Rng, scale: int) -> Pattern:
    """Long boards with grain and dark gaps."""
    n = (10, 6, 4)[scale]
    x, y = grid()
    v = y * n
    board = np.floor(v).astype(np.int32) % n
    shift = rng.random(n, dtype=np.float32)
    ends = np.abs((x + shift[board]) % 1.0 - 0.5) * 256
    edge = np.minimum(0.5 - np.abs(v - np.floor(v) - 0.5), ends / (256 / n))
    gap = step(0.07, 0.02, edge.astype(np.float32))
    streak = noise(rng, 6 * n / 4, stretch=(0.08, 1.0), octaves=3.0)
    streak = sample(streak, x + shift[board], y + 0.31 * shift[board])
    rings = np.sin((streak * 1.3 + v * 2.0) * 3.0)
    tone = 0.25 + 0.35 * shift[board] + 0.1 * rings + 0.12 * streak
    height = (1 - gap) * (0.8 + 0.06 * rings)
    return Pattern(tone * (1 - 0.8 * gap), height.astype(np.float32), gap, 0 * gap, relief=0.7)


def wood(rng: Rng, scale: int) -> Pattern:
    """One cut through a trunk: long flowing rings around a knot or two."""
    n = (14, 9, 5)[scale]
    x, y = grid()
    bend = 0.05 * noise(rng, 2.0, stretch=(0.6, 1.0), octaves=1.0)
    for _ in range(int(rng.integers(1, 3))):
        kx, ky = rng.random(2)
        dx = (x - kx + 0.5) % 1.0 - 0.5
        dy = (y - ky + 0.5) % 1.0 - 0.5
        bend = bend + 0.10 * np.exp(-(dx * dx * 30 + dy * dy * 160)) * np.sign(dy)
    phase = (y + bend) * n
    saw = (phase % 1.0).astype(np.float32)
    rings = saw * step(1.0, 0.85, saw)
    fibre = noise(rng, 50, stretch=(0.06, 1.0))
    tone = 0.78 - 0.5 * rings + 0.07 * fibre
    height = 0.7 - 0.3 * rings + 0.06 * fibre
    return Pattern(tone, height, step(0.6, 0.95, rings), 0 * tone, relief=0.35)


def _strokes(rng: Rng, count: int, length: float, width: float, lean: float) -> tuple[Map, Map]:
    """Many tapered strokes from root to tip laid on one another: tone and height, 0..1.

    Each is a short curve of stamped dots; ``length`` and ``width`` are in pixels.
    """
    size = 256
    tone = np.full((size, size), 0.12, np.float32)
    height = np.zeros((size, size), np.float32)
    steps = max(4, int(length))
    t = np.linspace(0, 1, steps, dtype=np.float32)
    angle = rng.normal(0.0, lean, count).astype(np.float32)
    curl = rng.normal(0.0, lean * 0.9, count).astype(np.float32)
    root = rng.random((count, 2), dtype=np.float32) * size
    depth = np.sort(rng.random(count).astype(np.float32))
    turn = angle[:, None] + curl[:, None] * t
    px = root[:, :1] + np.cumsum(np.sin(turn), 1) * length / steps
    py = root[:, 1:] - np.cumsum(np.cos(turn), 1) * length / steps
    wide = max(1, int(round(width)))
    for k in range(steps):
        half = max(0.0, wide * (1 - t[k]) / 2)
        shade = 0.15 + 0.5 * depth + 0.35 * t[k]
        for o in np.arange(-half, half + 0.5, 1.0):
            ix = (px[:, k] + o).astype(np.int32) % size
            iy = py[:, k].astype(np.int32) % size
            side = 1 - 0.25 * abs(o) / (half + 1)
            tone[iy, ix] = shade * side
            height[iy, ix] = (0.2 + 0.8 * depth) * side
    return tone, height


def grass(rng: Rng, scale: int) -> Pattern:
    """Blades of grass, roots below and tips above."""
    count, length, width = ((3600, 22, 3.0), (1300, 40, 5.0), (520, 72, 9.0))[scale]
    tone, height = _strokes(rng, count, length, width, 0.38)
    return Pattern(tone, height, step(0.35, 0.1, tone), 0 * tone, relief=0.08)


def fur(rng: Rng, scale: int) -> Pattern:
    """Fine hair that follows a slow swirl."""
    n = (40, 26, 16)[scale]
    x, y = grid()
    hair = noise(rng, n * 1.5, stretch=(1.0, 0.13), octaves=1.0)
    sway = 0.022 * noise(rng, 3.0, octaves=0.6)
    lift = 0.02 * noise(rng, 3.0, octaves=0.6)
    hair = sample(hair, x + sway, y + lift)
    clump = sample(noise(rng, n / 2.5, stretch=(1.0, 0.25), octaves=1.0), x + sway, y + lift)
    tone = 0.48 + 0.17 * hair + 0.13 * clump
    lines = step(0.3, 0.1, tone)
    return Pattern(tone.T, unit(hair + clump).T, lines.T, 0 * tone.T, relief=0.2)


def leaves(rng: Rng, scale: int) -> Pattern:
    """Pointed leaves with a midrib, thrown on one another."""
    count, length = ((520, 26.0), (240, 42.0), (80, 76.0))[scale]
    size = 256
    tone = np.full((size, size), 0.08, np.float32)
    height = np.zeros((size, size), np.float32)
    line = np.zeros((size, size), np.float32)
    for k in range(count):
        a = rng.uniform(0, 2 * np.pi)
        long = length * rng.uniform(0.8, 1.15)
        reach = int(long / 2) + 2
        cx, cy = rng.integers(0, size, 2)
        axis = np.arange(-reach, reach + 1, dtype=np.float32)
        dx, dy = axis[None, :], axis[:, None]
        u = (dx * np.cos(a) + dy * np.sin(a)) / (long / 2)
        v = (-dx * np.sin(a) + dy * np.cos(a)) / (long / 2)
        half = 0.42 * np.clip(1 - u * u, 0, 1) * (1 - 0.35 * u)
        inside = np.abs(v) < half
        d = k / count
        rib = step(2.2 / long, 0.6 / long, np.abs(v).astype(np.float32))
        veins = 0.5 + 0.5 * np.cos((u * 1.0 - np.abs(v) * 1.4) * 22)
        shade = 0.2 + 0.45 * d + 0.12 * np.sign(v) * 0.8 + 0.08 * veins + 0.25 * rib
        border = step(0.03, 0.10, (half - np.abs(v)).astype(np.float32))
        ys = (cy + axis.astype(np.int32))[:, None] % size
        xs = (cx + axis.astype(np.int32))[None, :] % size
        tone[ys, xs] = np.where(inside, shade * (0.55 + 0.45 * border), tone[ys, xs])
        bulge = 0.25 + 0.6 * d + 0.15 * border - 0.08 * rib
        height[ys, xs] = np.where(inside, bulge, height[ys, xs])
        line[ys, xs] = np.where(inside, np.maximum(1 - border, 0.7 * rib), line[ys, xs])
    return Pattern(tone, height, line, 0 * tone, relief=0.35, gloss=0.15)


def sand(rng: Rng, scale: int) -> Pattern:
    """Wind ripples in sand."""
    n = (16, 10, 6)[scale]
    x, y = grid()
    bend = 0.30 * noise(rng, 3.0, octaves=1.0) + 0.08 * noise(rng, 9.0)
    phase = (y * n + bend) % 1.0
    crest = np.where(phase < 0.68, phase / 0.68, (1 - phase) / 0.32).astype(np.float32)
    crest = crest * crest * (3 - 2 * crest)
    grain = noise(rng, 70)
    tone = 0.4 + 0.3 * crest + 0.05 * grain
    return Pattern(tone, 0.2 + 0.6 * crest + 0.006 * grain, step(0.8, 1.0, crest), 0 * tone, 0.8)


def pebbles(rng: Rng, scale: int) -> Pattern:
    """Smooth loose stones of many shades."""
    n = (18, 11, 7)[scale]
    cells = worley(rng, n, jitter=0.95, warp=0.1)
    edge = cells.far - cells.near
    gap = step(0.12, 0.0, edge)
    height = np.sqrt(np.clip(edge * 1.6, 0, 1)).astype(np.float32)
    shade = per_cell(rng, cells.ids, 997)
    tone = (0.12 + 0.8 * shade) * (1 - 0.9 * gap) + 0.03 * noise(rng, 50)
    return Pattern(tone, height, gap, 0 * gap, relief=1.1, gloss=0.5)


def cracked(rng: Rng, scale: int) -> Pattern:
    """Dry mud: flat plates parted by branching cracks."""
    n = (10, 6, 4)[scale]
    big = worley(rng, n, jitter=0.95, warp=0.3)
    fine = worley(rng, n * 2, jitter=0.95, warp=0.3)
    crack = step(0.12, 0.04, big.far - big.near)
    thin = 0.6 * step(0.07, 0.02, fine.far - fine.near) * step(-0.2, 0.3, noise(rng, 4))
    crack = np.maximum(crack, thin).astype(np.float32)
    dust = noise(rng, 8, octaves=4.0)
    tone = 0.62 + 0.08 * dust - 0.6 * crack
    return Pattern(tone, (1 - crack) * (0.85 + 0.02 * dust), crack, 0 * crack, relief=1.0)


def water(rng: Rng, scale: int) -> Pattern:
    """A pool in sunlight: a net of bright caustics."""
    n = (9, 6, 4)[scale]
    a = worley(rng, n, jitter=0.9, warp=0.8)
    b = worley(rng, n, jitter=0.9, warp=0.8)
    net = np.maximum(step(0.26, 0.0, a.far - a.near), 0.7 * step(0.22, 0.0, b.far - b.near))
    swell = noise(rng, 3.0, octaves=1.0)
    tone = 0.34 + 0.07 * swell + 0.6 * net**1.5
    return Pattern(tone.astype(np.float32), net, net, 0.55 * net**2, relief=0.04)


def clouds(rng: Rng, scale: int) -> Pattern:
    """White clouds in a sky of the main colour."""
    n = (5, 3, 2)[scale]
    base = noise(rng, n, octaves=2.2)
    shape = step(-0.3, 1.3, base + 0.16 * noise(rng, n * 4, octaves=2.0))
    tone = (0.55 + 0.08 * base + 0.1 * shape).astype(np.float32)
    return Pattern(tone, shape, rim_of(shape), 0.92 * shape, relief=0.03)


def rim_of(shape: Map) -> Map:
    """The outline of a soft shape, at its half height."""
    return step(0.35, 0.0, np.abs(shape - 0.5).astype(np.float32))


MATERIALS = (
    Material("planks", ("wooden planks", "planks", "boards"), planks, True),
    Material("wood", ("wood", "wood grain", "timber"), wood, True),
    Material("grass", ("grass", "lawn", "meadow"), grass),
    Material("fur", ("fur", "hair", "animal fur"), fur, True),
    Material("leaves", ("leaves", "foliage"), leaves),
    Material("sand", ("sand", "sand dunes", "ripples"), sand, True),
    Material("pebbles", ("pebbles", "gravel"), pebbles),
    Material("cracked", ("cracked earth", "dry mud", "cracked mud"), cracked),
    Material("water", ("water", "pool water"), water, accent="white"),
    Material("clouds", ("clouds", "cloudy sky", "sky"), clouds, accent="white"),
)
