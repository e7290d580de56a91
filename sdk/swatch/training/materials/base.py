"""What every generator is made of: a torus of pixels, noise on it, and cells on it.

All maps are float32 arrays ``[size, size]``; everything wraps at the edges.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Map = NDArray[np.float32]
Rng = np.random.Generator

SIZE = 256


@dataclass(slots=True)
class Pattern:
    """One structure without its colours.

    ``tone`` 0..1 runs along the main colour's ramp from dark to light, ``height`` 0..1
    is what light falls on, ``line`` 0..1 is what a draughtsman would draw, and
    ``accent`` 0..1 is how much of the second colour shows.
    """

    tone: Map
    height: Map
    line: Map
    accent: Map
    relief: float = 1.0
    gloss: float = 0.0

    def shifted(self, shift: tuple[int, int]) -> Pattern:
        """The same structure moved down and right by pixels; it wraps."""

        def one(values: Map) -> Map:
            return np.roll(values, shift, (0, 1))

        return Pattern(
            one(self.tone), one(self.height), one(self.line), one(self.accent), self.relief, self.gloss
        )


@dataclass(frozen=True, slots=True)
class Material:
    """A named generator, the words people use for it, and what may vary."""

    name: str
    words: tuple[str, ...]
    make: Callable[[Rng, int], Pattern]
    directed: bool = False
    accent: str = "neutral"
    styles: tuple[str, ...] = field(default=("worn", "painted", "glossy", "flat"))


def grid(size: int = SIZE) -> tuple[Map, Map]:
    """Pixel-centre coordinates x (rightwards) and y (downwards), each 0..1."""
    axis = ((np.arange(size) + 0.5) / size).astype(np.float32)
    x, y = np.meshgrid(axis, axis)
    return x, y


def step(low: float, high: float, values: Map) -> Map:
    """Smooth 0..1 ramp of ``values`` between two edges; edges may be swapped."""
    t = np.clip((values - low) / (high - low), 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t), np.float32)


def noise(
    rng: Rng,
    frequency: float,
    *,
    octaves: float = 2.0,
    stretch: tuple[float, float] = (1.0, 1.0),
    size: int = SIZE,
) -> Map:
    """Tileable noise of unit variance and zero mean, around ``frequency`` waves a picture.

    ``octaves`` is how far the spectrum reaches beyond ``frequency``; ``stretch`` scales
    the frequencies along x and y, so (0.1, 1) gives streaks along x.
    """
    fx = np.fft.rfftfreq(size, 1.0 / size)[None, :] / stretch[0]
    fy = np.fft.fftfreq(size, 1.0 / size)[:, None] / stretch[1]
    radius = np.sqrt(fx * fx + fy * fy) / frequency
    amplitude = radius / (1.0 + radius ** (2.0 + 1.0 / max(octaves, 0.1))) ** 1.3
    amplitude *= np.exp(-((radius / 2.0**octaves) ** 2))
    phase = rng.standard_normal(radius.shape) + 1j * rng.standard_normal(radius.shape)
    field_ = np.fft.irfft2(phase * amplitude, s=(size, size))
    field_ -= field_.mean()
    return np.asarray(field_ / (field_.std() + 1e-9), np.float32)


def sample(values: Map, x: Map, y: Map) -> Map:
    """``values`` read at coordinates 0..1 that wrap, bilinearly."""
    size = values.shape[0]
    px, py = x * size - 0.5, y * size - 0.5
    x0, y0 = np.floor(px).astype(np.int32), np.floor(py).astype(np.int32)
    u, v = (px - x0).astype(np.float32), (py - y0).astype(np.float32)
    x0, y0 = x0 % size, y0 % size
    x1, y1 = (x0 + 1) % size, (y0 + 1) % size
    top = values[y0, x0] * (1 - u) + values[y0, x1] * u
    bottom = values[y1, x0] * (1 - u) + values[y1, x1] * u
    return np.asarray(top * (1 - v) + bottom * v, np.float32)


def per_cell(rng: Rng, ids: NDArray[np.int32], count: int) -> Map:
    """A random number 0..1 for every cell of a map of cell numbers."""
    return rng.random(count).astype(np.float32)[ids % count]


@dataclass(slots=True)
class Cells:
    """A Worley diagram: distances (in cell widths) to the two nearest points and the
    number of the nearest, with the offset to it."""

    near: Map
    far: Map
    ids: NDArray[np.int32]
    dx: Map
    dy: Map


def worley(
    rng: Rng, columns: int, rows: int | None = None, *, jitter: float = 0.85, warp: float = 0.0
) -> Cells:
    """One jittered point in each of ``columns`` × ``rows`` boxes; tileable."""
    rows = rows or columns
    x, y = grid()
    if warp:
        x = x + 0.5 * warp / columns * noise(rng, columns / 3, octaves=0.8)
        y = y + 0.5 * warp / rows * noise(rng, columns / 3, octaves=0.8)
    gx, gy = x * columns, y * rows
    cx, cy = np.floor(gx).astype(np.int32), np.floor(gy).astype(np.int32)
    points = 0.5 + jitter * (rng.random((rows, columns, 2), dtype=np.float32) - 0.5)
    near = np.full(gx.shape, 9.0, np.float32)
    far = near.copy()
    ids = np.zeros(gx.shape, np.int32)
    ox, oy = near.copy(), near.copy()
    for j in (-1, 0, 1):
        for i in (-1, 0, 1):
            bx, by = (cx + i) % columns, (cy + j) % rows
            point = points[by, bx]
            dx = cx + i + point[..., 0] - gx
            dy = cy + j + point[..., 1] - gy
            distance = np.sqrt(dx * dx + dy * dy)
            closer = distance < near
            far = np.where(closer, near, np.minimum(far, distance))
            near = np.where(closer, distance, near)
            ids = np.where(closer, by * columns + bx, ids)
            ox, oy = np.where(closer, dx, ox), np.where(closer, dy, oy)
    f32 = np.float32
    return Cells(near.astype(f32), far.astype(f32), ids, ox.astype(f32), oy.astype(f32))


def rim(mask: Map, width: float = 1.0) -> Map:
    """Lines where a map changes: its gradient, squeezed to 0..1."""
    gx = np.roll(mask, -1, 1) - np.roll(mask, 1, 1)
    gy = np.roll(mask, -1, 0) - np.roll(mask, 1, 0)
    return np.asarray(np.clip(np.hypot(gx, gy) * width, 0.0, 1.0), np.float32)


def unit(values: Map) -> Map:
    """Squeezed to 0..1 by the 1st and 99th percentile."""
    low, high = np.percentile(values[::4, ::4], (1.0, 99.0))
    return np.asarray(np.clip((values - low) / (high - low + 1e-6), 0.0, 1.0), np.float32)


def ridge(values: Map, width: float) -> Map:
    """Lines along the zero crossings of a noise map, about ``width`` of its deviation."""
    return step(width, 0.0, np.abs(values))
