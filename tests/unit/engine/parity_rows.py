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
FLOW_ROWS: Final = (
    Row("flux-dev", "txt2img", 1.0),
    Row("flux-dev", "img2img", 0.7),
    Row("flux-dev", "img2img", 1.0),
    Row("flux-dev", "inpaint", 0.7),
    Row("flux-dev", "inpaint", 1.0),
    Row("flux-schnell", "txt2img", 1.0),
    Row("flux-schnell", "img2img", 0.7),
    Row("flux-schnell", "inpaint", 0.7),
    Row("flux-schnell", "inpaint", 1.0),
    Row("flux-fill", "inpaint", 0.7),
    Row("flux-fill", "inpaint", 1.0),
    Row("flux-kontext", "txt2img", 1.0),
    Row("flux-kontext", "edit", 1.0),
    Row("flux-kontext", "inpaint", 0.7),
    Row("flux-kontext", "inpaint", 1.0),
)
"""Compared under flow-match Euler, the one scheduler that FLUX's stock pipelines take."""
SD3_ROWS: Final = (
    Row("sd3", "txt2img", 1.0),
    Row("sd3", "img2img", 0.7),
    Row("sd3", "img2img", 1.0),
    Row("sd3", "inpaint", 0.7),
    Row("sd3", "inpaint", 1.0),
)
"""The same for the family of `examples/05_family_sd3`, in `tests.examples.test_family_sd3`."""
TITLES: Final = {
    "plain": "Stable Diffusion 1.5",
    "inpaint": "Stable Diffusion 1.5, inpainting (nine channels)",
    "sdxl": "Stable Diffusion XL",
    "sdxl-inpaint": "Stable Diffusion XL, inpainting (nine channels)",
    "sdxl-refiner": "Stable Diffusion XL, refiner",
    "flux-dev": "FLUX.1 dev",
    "flux-schnell": "FLUX.1 schnell",
    "flux-fill": "FLUX.1 Fill",
    "flux-kontext": "FLUX.1 Kontext",
    "sd3": "Stable Diffusion 3 and 3.5, a package of its own",
}
"""What the tiny models stand for."""
