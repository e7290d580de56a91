"""A line of pixels cut where the tiles that speak for it change."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from underpaint.engine.pixels.color import Floats
from underpaint.geometry import Span, shares


@dataclass(frozen=True, slots=True)
class Part:
    """What one tile says of one segment."""

    segment: Span
    voices: int
    """How many parts the segment is made of; one tile that goes around may bring two."""
    offset: int
    """Where it begins in the tile, in pixels."""
    weights: Floats
    """Of its pixels, above 0.0 and up to 1.0; those of a segment's parts add up to 1.0."""


def parts_of(tiles: tuple[Span, ...], length: int, overlap: int, *, wrap: bool) -> list[list[Part]]:
    """For each of `spans`' tiles its parts of a line of `length`; `shares` says which tiles count where.

    Segments are as long as they can be: what a tile says alone, then where it passes over into the next.
    """
    pieces: list[tuple[int, int, int, Floats]] = []
    for index, tile in enumerate(tiles):
        weights = np.array(shares(tiles, index, length, overlap, wrap=wrap), np.float32)
        done = 0
        while done < tile.length:  # once, or again behind the edge
            start = (tile.start + done) % length
            count = min(length - start, tile.length - done)
            pieces.append((index, done, start, weights[done : done + count]))
            done += count
    said = np.zeros((len(pieces), length), np.bool_)
    total = np.zeros(length, np.float32)
    for number, (_, _, start, weights) in enumerate(pieces):
        said[number, start : start + len(weights)] = weights > 0.0
        total[start : start + len(weights)] += weights
    changes = np.flatnonzero((said[:, 1:] != said[:, :-1]).any(axis=0)) + 1
    edges = [0, *changes.tolist(), length]
    found: list[list[Part]] = [[] for _ in tiles]
    for begin, end in zip(edges[:-1], edges[1:], strict=True):
        voices = np.flatnonzero(said[:, begin]).tolist()
        for number in voices:
            index, offset, start, weights = pieces[number]
            share = weights[begin - start : end - start] / total[begin:end]
            found[index].append(Part(Span(begin, end), len(voices), offset + begin - start, share))
    return found
