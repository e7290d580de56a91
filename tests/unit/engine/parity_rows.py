"""What is compared with the stock pipelines, under every scheduler; the documentation's table shows it."""

from __future__ import annotations

from typing import Final, NamedTuple


class Row(NamedTuple):
    """A tiny model of `conftest.models`, an operation and its strength."""

    model: str
    operation: str
    strength: float


ROWS: Final = (
    Row("plain", "txt2img", 1.0),
    Row("plain", "img2img", 0.7),
    Row("plain", "inpaint", 0.7),
    Row("plain", "inpaint", 1.0),
    Row("inpaint", "inpaint", 0.7),
    Row("inpaint", "inpaint", 1.0),
    Row("sdxl", "txt2img", 1.0),
    Row("sdxl", "img2img", 0.7),
    Row("sdxl", "inpaint", 0.7),
    Row("sdxl", "inpaint", 1.0),
    Row("sdxl-inpaint", "inpaint", 0.7),
    Row("sdxl-inpaint", "inpaint", 1.0),
    Row("sdxl-refiner", "img2img", 0.7),
    Row("sdxl-refiner", "inpaint", 0.7),
)
TITLES: Final = {
    "plain": "Stable Diffusion 1.5",
    "inpaint": "Stable Diffusion 1.5, inpainting (nine channels)",
    "sdxl": "Stable Diffusion XL",
    "sdxl-inpaint": "Stable Diffusion XL, inpainting (nine channels)",
    "sdxl-refiner": "Stable Diffusion XL, refiner",
}
"""What the tiny models stand for."""
