"""The words for a wrong picture: each mistake by its own name, and no name for what is only rounding."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from underpaint.testing.conformance.codec import Color, Pattern, converted
from underpaint.testing.conformance.compare import TOLERANCE, difference
from underpaint.testing.conformance.patterns import fine, glass, places
from underpaint.types import ColorSpace, DataType

WIDTH, HEIGHT = 24, 18
U8, U16 = TOLERANCE[DataType.U8], TOLERANCE[DataType.U16]


def drawn(pattern: Pattern, dx: int = 0, dy: int = 0) -> list[Color]:
    return [pattern(x + dx, y + dy) for y in range(HEIGHT) for x in range(WIDTH)]


def each(pixels: list[Color], change: Callable[[Color], Color]) -> list[Color]:
    return [change(pixel) for pixel in pixels]


def flipped(pixels: list[Color]) -> list[Color]:
    return [pixel for y in reversed(range(HEIGHT)) for pixel in pixels[y * WIDTH : (y + 1) * WIDTH]]


def mirrored(pixels: list[Color]) -> list[Color]:
    return [pixels[y * WIDTH + x] for y in range(HEIGHT) for x in reversed(range(WIDTH))]


SRGB, LINEAR = ColorSpace.SRGB, ColorSpace.LINEAR_REC709


@pytest.mark.parametrize(
    ("got", "want", "words"),
    [
        (flipped(drawn(places)), drawn(places), "upside down"),
        (mirrored(drawn(places)), drawn(places), "left and right"),
        (drawn(places)[::-1], drawn(places), "180 degrees"),
        (each(drawn(places), lambda p: (p[2], p[1], p[0], p[3])), drawn(places), "red and blue"),
        (
            each(drawn(glass), lambda p: (p[0] * p[3], p[1] * p[3], p[2] * p[3], p[3])),
            drawn(glass),
            "premultiplied where Alpha.STRAIGHT",
        ),
        (
            each(drawn(glass), lambda p: (p[0] / p[3], p[1] / p[3], p[2] / p[3], p[3]) if p[3] else p),
            drawn(glass),
            "straight where Alpha.PREMULTIPLIED",
        ),
        (each(drawn(places), lambda p: converted(p, LINEAR, SRGB)), drawn(places), "tones are wrong"),
        (each(drawn(places), lambda p: converted(p, SRGB, LINEAR)), drawn(places), "tones are wrong"),
        (each(drawn(glass), lambda p: (p[0], p[1], p[2], 1 - p[3])), drawn(glass), "alpha is inverted"),
        (each(drawn(glass), lambda p: (p[0], p[1], p[2], 1.0)), drawn(glass), "alpha is lost"),
        (drawn(places, dx=-1), drawn(places), "1 px to the right of where"),
        (drawn(places, dx=2, dy=1), drawn(places), "2 px to the left and 1 px up"),
        ([(0.0, 0.0, 0.0, 0.0)] * (WIDTH * HEIGHT), drawn(places), "no pixels arrived"),
        (drawn(places)[:-1], drawn(places), "431 pixels instead of 432"),
        (
            [(0.5, 0.5, 0.5, 1.0), *drawn(places)[1:]],
            drawn(places),
            "1 of 432 pixels differ, the first at (0, 0)",
        ),
    ],
)
def test_a_wrong_picture_is_called_by_its_mistake(got: list[Color], want: list[Color], words: str) -> None:
    assert words in difference(got, want, WIDTH, U8)


def test_eight_bits_in_a_deep_document_are_called_so() -> None:
    coarse = each(
        drawn(fine),
        lambda p: (round(p[0] * 255) / 255, round(p[1] * 255) / 255, round(p[2] * 255) / 255, p[3]),
    )
    assert "rounded to 8 bits" in difference(coarse, drawn(fine), WIDTH, U16)


def test_an_inverted_mask_is_called_so() -> None:
    mask = [(x / WIDTH, x / WIDTH, x / WIDTH, 1.0) for _ in range(HEIGHT) for x in range(WIDTH)]
    assert "inverted" in difference(
        each(mask, lambda p: (1 - p[0], 1 - p[1], 1 - p[2], 1.0)), mask, WIDTH, U8, mask=True
    )


@pytest.mark.parametrize("pattern", [places, glass])
def test_rounding_and_colours_under_alpha_0_are_no_difference(pattern: Pattern) -> None:
    want = drawn(pattern)
    near = each(want, lambda p: (p[0] + 0.9 / 255, p[1], p[2], p[3]) if p[3] else (0.9, 0.1, 0.2, 0.0))
    assert difference(near, want, WIDTH, U8) == ""
    assert difference(want, want, WIDTH, 0) == ""


def test_a_small_difference_is_not_explained_by_a_large_mistake() -> None:
    """Undoing a mistake that was not made hardly changes some pictures: it must not be named."""
    want = drawn(places)
    got = each(want, lambda p: (p[0], p[1], max(0.0, p[2] - 2 / 255), p[3]))
    assert "pixels differ" in difference(got, want, WIDTH, U8)
