"""A long line cut into tiles that overlap, and how much each of them says at each place."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """Pixels from `start` up to `stop`. Where ends meet, it may begin before 0 and end behind the last."""

    start: int
    stop: int

    @property
    def length(self) -> int:
        """Pixels in it."""
        return self.stop - self.start


def spans(
    length: int, tile: int, overlap: int, *, wrap: bool = False, closed: bool = False
) -> tuple[Span, ...]:
    """Tiles of `tile` pixels that cover a line of `length`, in order of their starts, evenly spread.

    Neighbours share at least `overlap` pixels, less than half a tile. `wrap`: the line's ends meet, and tiles
    lie across them. Then a line that is no longer than a tile gets one that goes round a little further than
    once; or, with `closed`, exactly once, for whoever closes it himself.
    """
    if not 0 <= overlap < tile / 2 or length < 1:
        raise ValueError(f"no tiles of {tile} px with an overlap of {overlap} px for a line of {length} px")
    if not wrap:
        if length <= tile:
            return (Span(0, length),)
        count = -(-(length - overlap) // (tile - overlap))
        starts = [round(index * (length - tile) / (count - 1)) for index in range(count)]
        return tuple(Span(start, start + tile) for start in starts)
    if closed and length <= tile:
        return (Span(0, length),)
    if length + 2 * overlap <= tile:
        return (Span(-overlap, length + overlap),)
    count = -(-length // (tile - overlap))
    starts = [round(index * length / count) for index in range(count)]
    return tuple(Span(start, start + tile) for start in starts)


def shares(
    tiles: tuple[Span, ...], index: int, length: int, overlap: int, *, wrap: bool = False
) -> list[float]:
    """Weights of the pixels of one of `spans`' tiles, 0.0 to 1.0; those of all tiles add up to 1.0.

    One tile follows on another in the middle of what they share, over a third of `overlap`, however much more
    they share: two tiles' details, averaged, are a blur. What lies further out counts for nothing: near its
    border, a network does not know what comes next.
    """
    tile, width = tiles[index], max(1, overlap - 2 * (overlap // 3))
    begin = end = None
    if wrap and tiles == (Span(0, length),):
        return [1.0] * length  # it closes itself
    if index > 0:
        begin = (tiles[index - 1].stop + tile.start) / 2
    elif wrap:
        begin = (tiles[-1].stop - length + tile.start) / 2
    if index < len(tiles) - 1:
        end = (tile.stop + tiles[index + 1].start) / 2
    elif wrap:
        end = (tile.stop + tiles[0].start + length) / 2

    def share(pixel: float) -> float:
        rising = 1.0 if begin is None else (pixel - begin) / width + 0.5
        falling = 1.0 if end is None else (end - pixel) / width + 0.5
        return max(0.0, min(1.0, rising, falling))

    return [share(pixel + 0.5) for pixel in range(tile.start, tile.stop)]
