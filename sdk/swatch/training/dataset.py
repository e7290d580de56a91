"""The training pictures: balanced shards of uint8 pictures with their labels.

A shard depends on its number alone, so that any of them can be made again, in any
order, on any number of cores.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .materials import MATERIALS, SIZE, Pattern
from .paths import cache
from .render import COLOURS, Look, Picture, paint, turn

SCALES = ("small", "", "large")
STYLES = ("", "painted", "worn", "glossy", "flat")
DIRECTIONS = ("", "vertical", "diagonal")
ROUNDS = 14  # structures of each material in a shard
LOOKS = 3  # a structure is dear and a coat of paint is cheap
PER_SHARD = ROUNDS * LOOKS * len(MATERIALS)
HELD_OUT = 1_000_000  # shard numbers from here on are never trained on


@dataclass(frozen=True, slots=True)
class Label:
    """Indices into MATERIALS, COLOURS, SCALES, STYLES and DIRECTIONS."""

    material: int
    colour: int
    scale: int
    style: int
    direction: int


@dataclass(frozen=True, slots=True)
class Drawn:
    """A picture with its label and, turned and shifted alike, the structure that it was made of."""

    picture: Picture
    label: tuple[int, ...]
    pattern: Pattern


def each(seed: int, shard: int, rounds: int = ROUNDS) -> Iterator[Drawn]:
    """The pictures of one shard, one after the other."""
    rng = np.random.default_rng((seed, shard))
    for number, material in enumerate(MATERIALS):
        colours = np.concatenate(
            [rng.permutation(len(COLOURS)) for _ in range(-(-rounds * LOOKS // len(COLOURS)))]
        )
        for k in range(rounds):
            scale = int(rng.choice(3, p=(0.3, 0.4, 0.3)))
            pattern = material.make(rng, scale)
            for look in range(LOOKS):
                colour = int(colours[k * LOOKS + look])
                style = int(rng.choice(len(STYLES), p=(0.6, 0.14, 0.1, 0.1, 0.06)))
                direction = int(rng.choice(3, p=(0.5, 0.3, 0.2))) if material.directed else 0
                turned = turn(pattern, DIRECTIONS[direction])
                picture = paint(turned, material.accent, Look(COLOURS[colour], STYLES[style]), rng)
                shift = (int(rng.integers(0, SIZE)), int(rng.integers(0, SIZE)))
                label = (number, colour, scale, style, direction)
                yield Drawn(np.roll(picture, shift, (0, 1)), label, turned.shifted(shift))


def draw(seed: int, shard: int, rounds: int = ROUNDS) -> tuple[NDArray[np.uint8], NDArray[np.int16]]:
    """Pictures ``[n, 256, 256, 3]`` and labels ``[n, 5]`` of one shard."""
    drawn = list(each(seed, shard, rounds))
    return np.stack([d.picture for d in drawn]), np.asarray([d.label for d in drawn], np.int16)


def _write(folder: Path, seed: int, shard: int) -> int:
    target = folder / f"shard-{shard:04d}.npy"
    if not target.exists():
        pictures, labels = draw(seed, shard)
        np.save(folder / f"labels-{shard:04d}.npy", labels)
        partial = target.with_suffix(f".{os.getpid()}.tmp")
        with partial.open("wb") as out:
            np.save(out, pictures)
        partial.replace(target)  # a shard that exists is whole
    return shard


def build(shards: int, seed: int, workers: int) -> None:
    """Make every missing shard."""
    folder = cache() / "pictures"
    folder.mkdir(exist_ok=True)
    with get_context("spawn").Pool(workers) as pool:
        jobs = [pool.apply_async(_write, (folder, seed, number)) for number in range(shards)]
        for job in jobs:
            print(f"shard {job.get()} of {shards}: {PER_SHARD} pictures", flush=True)


def load_labels() -> dict[int, NDArray[np.int16]]:
    """Labels ``[n, 5]`` by shard number."""
    paths = (cache() / "pictures").glob("labels-*.npy")
    return {int(path.stem.split("-")[1]): np.load(path) for path in paths}


def load() -> list[NDArray[np.uint8]]:
    """Every whole shard, mapped and not read."""
    paths = sorted((cache() / "pictures").glob("shard-*.npy"))
    return [np.load(path, mmap_mode="r") for path in paths]
