"""Size, crop and aesthetic conditioning of Stable Diffusion XL (Podell et al. 2023, section 2.2)."""

from __future__ import annotations

from underpaint.geometry import Size

AESTHETIC_SCORE = 6.0
"""Rating, 0.0 to 10.0, that a refiner aims at; the stock pipelines' default."""
NEGATIVE_AESTHETIC_SCORE = 2.5
"""Rating that it keeps away from."""


def time_ids(size: Size, *, rated: bool, negative: bool = False) -> list[float]:
    """The numbers for one picture: original height and width, crop from top and left, then the target.

    The picture is asked for as one that was never scaled nor cropped. `rated`: a refiner reads an aesthetic
    score instead of the target's height and width, a low one where `negative`.
    """
    original, crop = [float(size.height), float(size.width)], [0.0, 0.0]
    if rated:
        return [*original, *crop, NEGATIVE_AESTHETIC_SCORE if negative else AESTHETIC_SCORE]
    return [*original, *crop, *original]
