"""Tiles become a picture: the weighted mean of all of them, with no more in memory than what waits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from underpaint.engine.pixels.pixelfile import PixelFile, window
from underpaint.engine.upscale.assembly import Assembly
from underpaint.engine.upscale.segments import parts_of
from underpaint.errors import StorageFull
from underpaint.geometry import Size, Span, shares, spans
from underpaint.pixels import files
from underpaint.types import Tiling

TILE, OVERLAP = 40, 18
SIZES = [Size(160, 160), Size(131, 97), Size(400, 40), Size(30, 300), Size(17, 23)]


def lines(size: Size, tiling: Tiling, *, closed: bool) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    return (
        spans(size.width, TILE, OVERLAP, wrap=tiling.x, closed=closed),
        spans(size.height, TILE, OVERLAP, wrap=tiling.y, closed=closed),
    )


@pytest.mark.parametrize("closed", [False, True], ids=["open", "closed"])
@pytest.mark.parametrize("tiling", Tiling)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_every_pixel_is_the_mean_of_its_tiles_by_their_shares(
    size: Size, tiling: Tiling, closed: bool
) -> None:
    columns, rows = lines(size, tiling, closed=closed)
    rng = np.random.default_rng(5)
    made = np.full((size.height, size.width, 3), np.nan, np.float32)
    total = np.zeros((size.height, size.width, 4))

    def keep(row: int, column: int, pixels: np.ndarray) -> None:
        place = made[row : row + len(pixels), column : column + pixels.shape[1]]
        assert np.isnan(place).all(), "handed on once"
        place[:] = pixels

    assembly = Assembly(size, columns, rows, OVERLAP, tiling, keep)
    most = 0
    for row, y in enumerate(rows):
        down = shares(rows, row, size.height, OVERLAP, wrap=tiling.y)
        for column, x in enumerate(columns):
            across = shares(columns, column, size.width, OVERLAP, wrap=tiling.x)
            tile = rng.random((y.length, x.length, 3), np.float32)
            assembly.add(column, row, tile)
            most = max(most, assembly.waiting)
            weight = np.outer(down, across)[..., None]
            at = np.ix_(
                np.arange(y.start, y.stop) % size.height, np.arange(x.start, x.stop) % size.width, range(4)
            )
            # A tile that goes around further than once says two things of a pixel.
            np.add.at(total, at, np.concatenate([tile * weight, weight], axis=2))
    assert assembly.waiting == 0
    assert np.abs(made - total[..., :3] / total[..., 3:]).max() < 1e-6
    # The seam below a row of tiles, the one at the edges that meet, and those beside a tile.
    seam = OVERLAP - 2 * (OVERLAP // 3) + 1
    assert most <= (seam * size.width * (1 + tiling.y) + TILE * seam * 3) * 3 * 4


def test_a_line_is_cut_where_one_tile_follows_on_another() -> None:
    tiles = spans(100, TILE, OVERLAP)
    found = parts_of(tiles, 100, OVERLAP, wrap=False)
    assert sum(len(parts) for parts in found) == 2 * 4 - 1 + 3, "a seam between neighbours belongs to two"
    alone = [part for parts in found for part in parts if part.voices == 1]
    assert all((part.weights == 1.0).all() for part in alone), "what one says alone is taken to the bit"
    line = np.zeros(100)
    for parts in found:
        for part in parts:
            line[part.segment.start : part.segment.stop] += part.weights
    assert np.abs(line - 1.0).max() < 1e-6


def test_a_file_of_pixels_is_written_and_read_window_by_window(tmp_path: Path) -> None:
    whole = np.random.default_rng(1).integers(0, 65536, (20, 30, 3)).astype(np.uint16)
    file = PixelFile(tmp_path / "pixels.raw", whole.shape, np.uint16)
    file.write(0, 0, whole[:7])
    for column in (0, 11):
        file.write(7, column, whole[7:, column : column + 19])
    rows, columns = np.array([18, 19, 0, 1, 2]), np.array([28, 29, 0, 3, 4])
    assert np.array_equal(window(file, rows, columns), whole[rows][:, columns])
    assert np.array_equal(window(whole, rows, columns), whole[rows][:, columns])
    made = file.finish()
    assert np.array_equal(made, whole) and not made.flags.writeable
    assert (tmp_path / "pixels.raw").read_bytes() == whole.tobytes()


def test_a_disk_without_room_is_found_out_before_the_first_tile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(handle: int, size: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "_reserve", refuse)
    with pytest.raises(StorageFull, match="no room for 60 bytes"):
        PixelFile(tmp_path / "pixels.raw", (4, 5, 3), np.uint8)
    assert not list(tmp_path.iterdir())
