"""Which size a picture for a canvas gets."""

from __future__ import annotations

import pytest

from underpaint.host.settings import title_of
from underpaint.host.snapshot import generation_bounds
from underpaint.types import Bounds, ModelInfo

MODEL = ModelInfo("m", native_size=512, size_multiple=8, min_size=128, max_size=1024)


@pytest.mark.parametrize(
    ("canvas", "expected"),
    [
        ((512, 512), Bounds(0, 0, 512, 512)),
        ((509, 700), Bounds(0, 0, 512, 704)),
        ((1, 1), Bounds(0, 0, 128, 128)),
        ((64, 128), Bounds(0, 0, 128, 256)),
        ((2048, 1024), Bounds(512, 256, 1024, 512)),
        ((16384, 16384), Bounds(7680, 7680, 1024, 1024)),
        ((4000, 10), Bounds(1488, 0, 1024, 128)),
    ],
)
def test_a_picture_covers_the_canvas_where_the_model_can(canvas: tuple[int, int], expected: Bounds) -> None:
    assert generation_bounds(Bounds(0, 0, *canvas), MODEL) == expected


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("old brick", "old brick"),
        ("  two\nlines ", "two lines"),
        ("", "Fill"),
        ("x" * 60, "x" * 47 + "…"),
    ],
)
def test_a_layer_is_named_after_its_prompt(prompt: str, expected: str) -> None:
    assert title_of(prompt, "Fill") == expected
