"""Worked materials: metal, leather, paper, marble, terrazzo, lava, and paint itself."""

from __future__ import annotations

import numpy as np

from .base import Material, Pattern, Rng, grid, noise, ridge, rim, sample, step, unit, worley


def brushed(rng: Rng, scale: int) -> Pattern:
    """Brushed metal: fine streaks under a broad sheen."""
    x, y = grid()
    fine = noise(rng, (70, 50, 32)[scale], stretch=(0.02, 1.0), octaves=2.0)
    k = int(rng.integers(1, 3))
    sheen = np.cos(2 * np.pi * (y * k + rng.random() + 0.02 * np.sin(2 * np.pi * x)))
    tone = 0.52 + 0.13 * fine + 0.24 * sheen
    return Pattern(tone.astype(np.float32), unit(fine), step(1.0, 2.2, fine), 0 * fine, 0.15)


def plate(rng: Rng, scale: int) -> Pattern:
    """Diamond plate: raised bars in two directions by turns."""
    n = (16, 8, 4)[scale]
    x, y = grid()
    u, v = x * n, y * n
    iu, iv = np.floor(u), np.floor(v)
    fu, fv = u - iu - 0.5, v - iv - 0.5
    sign = np.where((iu + iv) % 2 == 0, 1.0, -1.0)
    along, across = (fu + sign * fv) * 0.7071, (fu - sign * fv) * 0.7071
    bar = np.clip(1 - (along / 0.52) ** 2 - (across / 0.17) ** 2, 0, 1)
    bar = np.sqrt(bar).astype(np.float32)
    scratch = noise(rng, 30, stretch=(0.2, 1.0))
    tone = 0.4 + 0.2 * bar + 0.05 * scratch + 0.08 * noise(rng, 2)
    return Pattern(tone, bar, rim(step(0.1, 0.3, bar)), 0 * bar, relief=1.6, gloss=0.8)


def corrugated(rng: Rng, scale: int) -> Pattern:
    """Sheet metal in round waves."""
    n = (16, 8, 4)[scale]
    _, y = grid()
    wave = (0.5 + 0.5 * np.cos(2 * np.pi * y * n)).astype(np.float32)
    dirt = noise(rng, 4, stretch=(0.5, 1), octaves=4.0)
    tone = 0.25 + 0.55 * wave + 0.06 * dirt
    return Pattern(tone, wave, step(0.15, 0.0, wave), 0 * wave, relief=0.6, gloss=0.6)


def mesh(rng: Rng, scale: int) -> Pattern:
    """A wire net of diamonds over darkness."""
    n = (16, 8, 4)[scale]
    x, y = grid()
    a = np.abs(((x + y) * n / 2) % 1.0 - 0.5) * 2
    b = np.abs(((x - y) * n / 2) % 1.0 - 0.5) * 2
    wire_a = np.sqrt(np.clip(1 - ((1 - a) / 0.24) ** 2, 0, 1))
    wire_b = np.sqrt(np.clip(1 - ((1 - b) / 0.24) ** 2, 0, 1))
    wire = np.maximum(wire_a, wire_b * 0.85).astype(np.float32)
    tone = 0.04 + 0.7 * wire + 0.03 * noise(rng, 12)
    line, dark = rim(step(0.1, 0.4, wire)), 0.85 * step(0.3, 0.1, wire)
    return Pattern(tone, wire, line, dark, relief=0.9, gloss=0.5)


def leather(rng: Rng, scale: int) -> Pattern:
    """Fine pebbled grain with creases."""
    n = (34, 22, 13)[scale]
    cells = worley(rng, n, jitter=0.95, warp=0.25)
    crease = step(0.3, 0.0, cells.far - cells.near)
    fold = ridge(noise(rng, 3), 0.12)
    height = (1 - 0.8 * crease) * (1 - 0.3 * fold)
    tone = 0.55 - 0.32 * crease - 0.12 * fold + 0.06 * noise(rng, 5)
    return Pattern(tone, height.astype(np.float32), crease, 0 * crease, relief=0.8, gloss=0.45)


def paper(rng: Rng, scale: int) -> Pattern:
    """Crumpled paper: flat facets with sharp folds."""
    n = (7, 5, 3)[scale]
    height = np.zeros((256, 256), np.float32)
    tone = height.copy()
    line = height.copy()
    for k in (1, 2):
        cells = worley(rng, n * k, jitter=1.0, warp=0.1)
        tilt = rng.normal(0, 1, (997, 2)).astype(np.float32)
        slope = tilt[cells.ids % 997]
        height += (slope[..., 0] * cells.dx + slope[..., 1] * cells.dy) / k
        tone += (slope[..., 0] + slope[..., 1]) * 0.12 / k
        line = np.maximum(line, step(0.06, 0.0, cells.far - cells.near) / k)
    tone = 0.62 + tone - 0.12 * line + 0.02 * noise(rng, 40)
    return Pattern(tone.astype(np.float32), unit(height), line, 0 * line, relief=0.25)


def marble(rng: Rng, scale: int) -> Pattern:
    """Polished stone with long branching veins of the second colour."""
    n = (6, 4, 2.5)[scale]
    x, y = grid()
    wx, wy = 0.04 * noise(rng, n * 1.5, octaves=1.2), 0.04 * noise(rng, n * 1.5, octaves=1.2)
    base = sample(noise(rng, n * 0.7, stretch=(1.0, 0.6), octaves=1.0), x + wx, y + wy)
    fine = sample(noise(rng, n * 1.8, octaves=1.0), x + wy, y + wx)
    vein = np.maximum(ridge(base, 0.20), 0.6 * ridge(fine, 0.12)).astype(np.float32)
    cloud = noise(rng, n, octaves=3.0)
    tone = 0.62 + 0.06 * cloud - 0.12 * ridge(base, 0.6)
    return Pattern(tone, 1 - 0.2 * vein, vein, 0.85 * vein, relief=0.1, gloss=0.4)


def terrazzo(rng: Rng, scale: int) -> Pattern:
    """Angular chips of the second colour and dark ones, scattered in a plain ground."""
    n = (18, 11, 6)[scale]
    cells = worley(rng, n, jitter=1.0, warp=0.15)
    edge = cells.far - cells.near
    pick = rng.random(997).astype(np.float32)[cells.ids % 997]
    chip = step(0.22, 0.27, edge) * (pick > 0.4)
    pale = chip * (pick > 0.68)
    dark = chip * (pick <= 0.68)
    tone = 0.62 + 0.03 * noise(rng, 60) - 0.5 * dark
    f32 = np.float32
    return Pattern(
        tone.astype(f32), 0.5 + 0.1 * chip.astype(f32), rim(chip.astype(f32)), pale.astype(f32),
        relief=0.1, gloss=0.3,
    )  # fmt: skip


def lava(rng: Rng, scale: int) -> Pattern:
    """Dark crust with glowing cracks of the main colour."""
    n = (9, 6, 4)[scale]
    cells = worley(rng, n, jitter=0.95, warp=0.8)
    edge = cells.far - cells.near
    glow = step(0.42, 0.0, edge) ** 1.3
    core = step(0.12, 0.0, edge)
    crust = noise(rng, 20, octaves=3.0)
    tone = 0.02 + 0.72 * glow + 0.26 * core + 0.04 * crust * (1 - glow)
    height = (1 - glow) * (0.7 + 0.04 * crust)
    f32 = np.float32
    dark = (0.92 * (1 - glow)).astype(f32)
    return Pattern(tone.astype(f32), height.astype(f32), core, dark, relief=0.7)


def strokes(rng: Rng, scale: int) -> Pattern:
    """Thick brush strokes laid side by side and over one another, with bristle marks."""
    count, length, width = ((420, 44, 12), (170, 76, 22), (64, 130, 40))[scale]
    size = 256
    tone = np.full((size, size), 0.5, np.float32)
    height = np.full((size, size), 0.3, np.float32)
    line = np.zeros((size, size), np.float32)
    lead = rng.uniform(0, np.pi)
    for _ in range(count):
        a = lead + rng.normal(0, 0.55)
        long, wide = length * rng.uniform(0.7, 1.2), width * rng.uniform(0.7, 1.2)
        reach = int(long / 2) + int(wide / 2) + 1
        cx, cy = rng.integers(0, size, 2)
        axis = np.arange(-reach, reach + 1)
        dx, dy = axis[None, :].astype(np.float32), axis[:, None].astype(np.float32)
        u = (dx * np.cos(a) + dy * np.sin(a)) / (long / 2)
        v = (-dx * np.sin(a) + dy * np.cos(a)) / (wide / 2)
        v = v + 0.3 * rng.normal() * u * u
        ragged = 1.0 - 0.12 * np.abs(np.sin(v * 9 + 3 * rng.random()))
        inside = (np.abs(v) < 1) & (np.abs(u) < ragged)
        bristle = np.sin(v * rng.uniform(8, 13) + 6 * rng.random()) * 0.5 + 0.5
        shade = np.clip(rng.normal(0.52, 0.2), 0.1, 0.95)
        edge = step(0.78, 1.0, np.abs(v).astype(np.float32))
        ys, xs = (cy + axis)[:, None] % size, (cx + axis)[None, :] % size
        tone[ys, xs] = np.where(inside, shade + 0.07 * (bristle - 0.5), tone[ys, xs])
        height[ys, xs] = np.where(inside, 0.4 + 0.10 * bristle + 0.25 * edge, height[ys, xs])
        line[ys, xs] = np.where(inside, edge, line[ys, xs])
    return Pattern(tone, height, line, 0 * tone, relief=0.5, gloss=0.25)


def wash(rng: Rng, scale: int) -> Pattern:
    """Watercolour: pale pools with dark rims on white paper."""
    n = (5, 3, 2)[scale]
    x, y = grid()
    pool = noise(rng, n, octaves=1.2) + 0.12 * noise(rng, n * 6, octaves=2.0)
    inside = step(-0.55, -0.45, pool)
    edge = step(0.16, 0.0, np.abs(pool + 0.45)) * inside
    second = step(0.35, 0.42, noise(rng, n, octaves=1.2) + 0.1 * noise(rng, n * 6))
    grain = noise(rng, 60)
    tone = 0.78 - 0.3 * edge - 0.22 * second + 0.05 * noise(rng, n * 2) + 0.02 * grain
    return Pattern(tone.astype(np.float32), 0.5 + 0.02 * grain, edge, 0.9 * (1 - inside), relief=0.1)


def bubbles(rng: Rng, scale: int) -> Pattern:
    """Round glossy drops of many sizes."""
    n = (12, 8, 4)[scale]
    cells = worley(rng, n, jitter=0.5)
    radius = 0.30 + 0.14 * rng.random(997).astype(np.float32)[cells.ids % 997]
    r = cells.near / radius
    dome = np.sqrt(np.clip(1 - r * r, 0, 1)).astype(np.float32)
    ring = step(0.12, 0.0, np.abs(r - 1.0).astype(np.float32))
    glint = step(0.28, 0.08, np.hypot(cells.dx / radius - 0.35, cells.dy / radius - 0.35))
    tone = 0.4 + 0.25 * dome - 0.3 * ring
    return Pattern(
        tone.astype(np.float32), dome, ring, (0.95 * glint * (dome > 0)).astype(np.float32),
        relief=0.9, gloss=0.4,
    )  # fmt: skip


MATERIALS = (
    Material("brushed", ("brushed metal", "steel", "metal"), brushed, True),
    Material("plate", ("diamond plate", "tread plate"), plate),
    Material("corrugated", ("corrugated metal", "corrugated iron"), corrugated, True),
    Material("mesh", ("wire mesh", "mesh", "net"), mesh, accent="dark"),
    Material("leather", ("leather",), leather),
    Material("paper", ("crumpled paper", "paper"), paper),
    Material("marble", ("marble",), marble, accent="contrast"),
    Material("terrazzo", ("terrazzo",), terrazzo, accent="pale"),
    Material("lava", ("lava", "magma"), lava, accent="dark"),
    Material("strokes", ("brush strokes", "oil paint", "brushstrokes"), strokes),
    Material("wash", ("watercolour", "watercolor", "ink wash"), wash, accent="white"),
    Material("bubbles", ("bubbles", "drops", "water drops"), bubbles, accent="white"),
)
