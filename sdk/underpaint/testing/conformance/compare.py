"""Two pictures side by side, and in words what is wrong: not "differs", but "upside down"."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from underpaint.testing.conformance.codec import Color, converted
from underpaint.types import ColorSpace, DataType

TOLERANCE: Final = {
    DataType.U8: 1.2 / 255,
    DataType.U16: 1.6 / 65535,
    DataType.F16: 1 / 1000,
    DataType.F32: 2e-5,
}
"""Largest difference of a channel that is rounding: conversions to and from premultiplied alpha may round."""

_REACH: Final = 3


def difference(
    got: Sequence[Color], want: Sequence[Color], width: int, tolerance: float, *, mask: bool = False
) -> str:
    """ "" if they are equal within `tolerance`; else a sentence that names the likeliest mistake.

    Colours count as much as they are opaque: what alpha 0 hides does not matter.
    """
    if _same(got, want, tolerance):
        return ""
    mistakes = _mask_mistakes if mask else _picture_mistakes
    for words, changed in mistakes(got, width):
        # Undoing a mistake rounds once more; what hardly changes anything explains nothing.
        slack = tolerance + (1.5 / 255 if tolerance >= 1 / 255 else 0.0)
        if _same(changed, want, slack) and not _same(changed, got, 2 * slack):
            return words
    if _same(got, _each(want, lambda p: (p[0], p[1], p[2], 1.0)), tolerance):
        return "alpha is lost: everything is opaque"
    if shift := _shift(got, want, width, tolerance):
        return shift
    if tolerance < 1 / 255 and _same(got, want, 0.6 / 255 + tolerance):
        return "values are rounded to 8 bits: hand over the document's own depth (PixelFormat.data_type)"
    if all(pixel[3] == 0 for pixel in got) and any(pixel[3] for pixel in want):
        return "everything is transparent: no pixels arrived"
    return _first_differences(got, want, width, tolerance)


def _same(got: Sequence[Color], want: Sequence[Color], tolerance: float) -> bool:
    return len(got) == len(want) and all(
        _close(pixel, wanted, tolerance) for pixel, wanted in zip(got, want, strict=True)
    )


def _close(got: Color, want: Color, tolerance: float) -> bool:
    if abs(got[3] - want[3]) > tolerance:
        return False
    return all(abs(got[channel] * got[3] - want[channel] * want[3]) <= tolerance for channel in (0, 1, 2))


def _picture_mistakes(got: Sequence[Color], width: int) -> Iterator[tuple[str, Sequence[Color]]]:
    yield (
        "the picture is upside down: rows and `PixelFormat.row_order` disagree (RowOrder.BOTTOM_UP means "
        "that the bottom row lies first in memory)",
        _flipped(got, width, rows=True),
    )
    yield "left and right are swapped: the first pixel of a row is the leftmost", _flipped(got, width)
    yield (
        "the picture is turned by 180 degrees: rows and columns both lie the wrong way round",
        list(reversed(got)),
    )
    yield (
        "red and blue are swapped: memory and `PixelFormat.channels` disagree (Channels.BGRA or RGBA)",
        _each(got, lambda p: (p[2], p[1], p[0], p[3])),
    )
    yield (
        "alpha is handled twice: colours are premultiplied where Alpha.STRAIGHT is declared",
        _each(got, lambda p: (p[0] / p[3], p[1] / p[3], p[2] / p[3], p[3]) if p[3] else p),
    )
    yield (
        "alpha is handled once too little: colours are straight where Alpha.PREMULTIPLIED is declared",
        _each(got, lambda p: (p[0] * p[3], p[1] * p[3], p[2] * p[3], p[3])),
    )
    for source, target, said, real in (
        (ColorSpace.SRGB, ColorSpace.LINEAR_REC709, "sRGB", "linear Rec. 709"),
        (ColorSpace.LINEAR_REC709, ColorSpace.SRGB, "linear Rec. 709", "sRGB"),
    ):
        yield (
            f"tones are wrong: values are {said} where {real} was meant, memory and "
            "`PixelFormat.color_space` disagree",
            _each(got, lambda p, source=source, target=target: converted(p, source, target)),  # type: ignore[misc]
        )
    yield "alpha is inverted", _each(got, lambda p: (p[0], p[1], p[2], 1 - p[3]))


def _mask_mistakes(got: Sequence[Color], width: int) -> Iterator[tuple[str, Sequence[Color]]]:
    yield (
        "the mask is inverted: 1 (255) means selected, repaint; 0 means keep",
        _each(got, lambda p: (1 - p[0], 1 - p[1], 1 - p[2], p[3])),
    )
    yield "the mask is upside down: see `PixelFormat.row_order`", _flipped(got, width, rows=True)
    yield "left and right of the mask are swapped", _flipped(got, width)


def _shift(got: Sequence[Color], want: Sequence[Color], width: int, tolerance: float) -> str:
    height = len(want) // width
    steps = sorted(range(-_REACH, _REACH + 1), key=abs)
    for dy in steps:
        for dx in steps:
            if (dx, dy) == (0, 0) or abs(dx) >= width or abs(dy) >= height:
                continue
            if all(
                _close(got[(y + dy) * width + x + dx], want[y * width + x], tolerance)
                for y in range(max(0, -dy), min(height, height - dy))
                for x in range(max(0, -dx), min(width, width - dx))
            ):
                across = f"{abs(dx)} px to the {'right' if dx > 0 else 'left'}" if dx else ""
                down = f"{abs(dy)} px {'down' if dy > 0 else 'up'}" if dy else ""
                moved = " and ".join(part for part in (across, down) if part)
                return f"everything lies {moved} of where it belongs: an offset is off"
    return ""


def _first_differences(got: Sequence[Color], want: Sequence[Color], width: int, tolerance: float) -> str:
    if len(got) != len(want):
        return f"there are {len(got)} pixels instead of {len(want)}"
    wrong = [at for at, (a, b) in enumerate(zip(got, want, strict=True)) if not _close(a, b, tolerance)]
    at = wrong[0]
    return (
        f"{len(wrong)} of {len(want)} pixels differ, the first at ({at % width}, {at // width}): "
        f"{shown(got[at])} instead of {shown(want[at])}"
    )


def shown(color: Color) -> str:
    """A colour for a message."""
    return "({})".format(", ".join(f"{value:.4g}" for value in color))


def _flipped(pixels: Sequence[Color], width: int, *, rows: bool = False) -> list[Color]:
    lines = [pixels[start : start + width] for start in range(0, len(pixels), width)]
    lines = lines[::-1] if rows else [line[::-1] for line in lines]
    return [pixel for line in lines for pixel in line]


def _each(pixels: Sequence[Color], change: Callable[[Color], Color]) -> list[Color]:
    return [change(pixel) for pixel in pixels]
